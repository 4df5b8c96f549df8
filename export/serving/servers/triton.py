"""A model repository for NVIDIA Triton: config.pbtxt beside the versions."""

from google.protobuf import text_format

from export.contract import Tensor, sizes_of
from export.errors import ExportError
from export.formats.names import ONNXRUNTIME, TF_SERVING
from export.serving.formats import server_of
from export.serving.ledger import Model
from export.serving.servers.configs import HEAD, TIMEOUT_US

FILE = "config.pbtxt"
BITS = (8, 16, 32, 64)  # of whole numbers
# What serves a format -> Triton's backend for it, and the model's name.
BACKENDS = {
    ONNXRUNTIME: ("onnxruntime", "model.onnx"),
    TF_SERVING: ("tensorflow", "model.savedmodel"),
}
# A type as a contract has it -> Triton's name of it.
TYPES = {
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
    **{f"{sign}int{bits}": f"TYPE_{sign.upper()}INT{bits}" for sign in ("", "u") for bits in BITS},
    "bool": "TYPE_BOOL",
    "string": "TYPE_STRING",
}


def model_config(model: Model) -> str:
    """Return config.pbtxt: the tensors, dynamic batching, and a warm-up of every batch size.

    Raises ExportError if Triton cannot load a version, or versions are of two backends.
    """
    config_type, _ = _messages()
    formats = {version.format for version in model.loaded.values()}
    backends = {BACKENDS.get(server_of(name)) for name in formats}
    if len(backends) != 1 or None in backends:
        raise ExportError(
            f"Triton runs one backend a model, and {model.name} has "
            f"{', '.join(sorted(formats)):.200}; "
            "give the second one another --name"
        )
    backend, file = backends.pop()
    first = next(iter(model.loaded.values()))
    config = config_type(
        name=model.name,
        backend=backend,
        default_model_filename=file,
        max_batch_size=model.batch_sizes[-1],
    )
    if backend == "tensorflow":
        config.platform = "tensorflow_savedmodel"
    config.version_policy.specific.versions.extend(model.loaded)
    for tensors, entries in (
        (first.contract.inputs, config.input),
        (first.contract.outputs, config.output),
    ):
        for tensor in tensors:
            _declare(entries.add(name=tensor.name), tensor, model.name)
    config.dynamic_batching.preferred_batch_size.extend(model.batch_sizes)
    config.dynamic_batching.max_queue_delay_microseconds = TIMEOUT_US
    for batch in model.batch_sizes:
        warm = config.model_warmup.add(name=f"batch {batch}", batch_size=batch)
        for tensor in first.contract.inputs:
            _warm(warm.inputs[tensor.name], tensor, model.name)
    return HEAD + text_format.MessageToString(config)


def dims(tensor: Tensor) -> list[int]:
    """The axes after the batch, -1 for a free one.

    Triton wants at least one, so a tensor of the batch alone is declared as one of 1 value.
    """
    return [-1 if size is None else size for size in tensor.sizes] or [1]


def _declare(entry, tensor: Tensor, model: str) -> None:
    """Fill an entry `input` or `output`."""
    entry.data_type = _type_of(tensor, model)
    entry.dims.extend(dims(tensor))
    if not tensor.sizes:
        entry.reshape.SetInParent()


def _warm(entry, tensor: Tensor, model: str) -> None:
    """Fill an input of a warm-up; ids are zeros, because any number may be none of a vocabulary."""
    entry.data_type = _type_of(tensor, model)
    entry.dims.extend(sizes_of(tensor) or [1])
    if tensor.floats:
        entry.random_data = True
    else:
        entry.zero_data = True


def _type_of(tensor: Tensor, model: str) -> int:
    """Return Triton's number of a tensor's type; raise ExportError where it has none."""
    if tensor.dtype not in TYPES:
        raise ExportError(
            f"Triton has no type {tensor.dtype}, which `{tensor.name}` of {model} is; serve it "
            "with TF Serving"
        )
    return data_type(TYPES[tensor.dtype])


def parse_config(text: str):
    """Return the ModelConfig that `text` spells; raises text_format.ParseError."""
    return text_format.Parse(text, _messages()[0]())


def data_type(name: str | None) -> int | None:
    """Triton's number of the type that it calls `name`."""
    return name and _messages()[1].Value(name)


def _messages():
    from tritonclient.grpc import model_config_pb2  # 0.3 s, and only Triton's users need it

    return model_config_pb2.ModelConfig, model_config_pb2.DataType
