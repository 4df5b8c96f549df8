"""A model repository for NVIDIA Triton: config.pbtxt beside the versions."""

from google.protobuf import text_format

from export.errors import ExportError
from export.formats.names import ONNXRUNTIME, TF_SERVING
from export.serving.formats import server_of
from export.serving.ledger import Model
from export.serving.servers.configs import HEAD, TIMEOUT_US

FILE = "config.pbtxt"
# What serves a format -> Triton's backend for it, and the model's name.
BACKENDS = {
    ONNXRUNTIME: ("onnxruntime", "model.onnx"),
    TF_SERVING: ("tensorflow", "model.savedmodel"),
}


def model_config(model: Model) -> str:
    """Return config.pbtxt: the tensors, dynamic batching, and a warm-up of every batch size.

    Raises ExportError if Triton cannot load a version, or versions are of two backends.
    """
    config_type, data_type = _messages()
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
    config.input.add(name="image", data_type=data_type.Value("TYPE_FP32"), dims=first.image)
    config.output.add(name="logits", data_type=data_type.Value("TYPE_FP32"), dims=[first.classes])
    config.dynamic_batching.preferred_batch_size.extend(model.batch_sizes)
    config.dynamic_batching.max_queue_delay_microseconds = TIMEOUT_US
    for batch in model.batch_sizes:
        warm = config.model_warmup.add(name=f"batch {batch}", batch_size=batch)
        image = warm.inputs["image"]
        image.data_type = data_type.Value("TYPE_FP32")
        image.dims.extend(first.image)
        image.random_data = True
    return HEAD + text_format.MessageToString(config)


def parse_config(text: str):
    """Return the ModelConfig that `text` spells; raises text_format.ParseError."""
    return text_format.Parse(text, _messages()[0]())


def _messages():
    from tritonclient.grpc import model_config_pb2  # 0.3 s, and only Triton's users need it

    return model_config_pb2.ModelConfig, model_config_pb2.DataType
