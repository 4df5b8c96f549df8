"""Open a .tflite: what it declares, and the weights that it holds. Nothing is run."""

import hashlib
import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Tensor
from export.errors import ArtifactError, MissingPackage
from export.formats.admission import refused
from export.formats.base import Found, Opened
from export.formats.litert.flatbuffer import MAGIC, OUTSIDE, operation, schema, text, unpacked
from export.formats.litert.steps import (
    INT8,
    INT32,
    activation_steps,
    as_floats,
    bias_steps,
    is_rounded,
)
from export.formats.names import LITERT

MODEL = "model.tflite"
FLOATS = {0: "<f4", 1: "<f2"}  # numpy's names of TensorType's numbers
HELD = {**FLOATS, INT8: "i1", INT32: "<i4"}
# The axes that turn a kernel to Keras' order, by the operation that takes it as its second input.
KERNELS = {"CONV_2D": (1, 2, 3, 0), "TRANSPOSE_CONV": (1, 2, 0, 3)}
DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}  # fmt: skip
BACK = "DEQUANTIZE"
# What a network has no use for: code of others, and what one run would leave for the next.
REFUSED = (
    "", "CUSTOM", "DELEGATE", "STABLEHLO_CUSTOM_CALL", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE",
    "ASSIGN_VARIABLE", "HASHTABLE", "HASHTABLE_IMPORT",
)  # fmt: skip


@dataclass(frozen=True)
class Flat:
    """A model without the buffers that lie behind it, and where it is."""

    path: Path
    model: object  # a ModelT

    def tensors(self) -> Iterator[tuple]:
        """Yield (graph, number) of each tensor that the file has floats for, or steps of such."""
        for graph in self.model.subgraphs:
            for number, tensor in enumerate(graph.tensors):
                if (tensor.type in FLOATS or is_rounded(tensor)) and self._size(tensor):
                    yield graph, number

    def values(self, tensor) -> np.ndarray:
        """What a tensor holds, as float32, of its own shape."""
        kept = self.kept(tensor)
        if is_rounded(tensor):
            return as_floats(tensor, kept)
        return kept.astype(np.float32, copy=False)

    def kept(self, tensor) -> np.ndarray:
        """The same as it is kept."""
        buffer, dtype = self.model.buffers[tensor.buffer], HELD[tensor.type]
        if buffer.offset >= OUTSIDE:
            count = buffer.size // np.dtype(dtype).itemsize
            held = np.fromfile(self.path, dtype, count, offset=buffer.offset)
        else:
            held = np.frombuffer(bytes(bytearray(buffer.data)), dtype)
        shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
        return held.reshape(shape)

    def read(self, graph, number: int) -> np.ndarray:
        """The same in the layout that Keras keeps it in."""
        values = self.values(graph.tensors[number])
        kind, at = self.reader(graph, number)
        if at == 1 and kind in KERNELS:
            return values.transpose(KERNELS[kind])
        return values.T if at == 1 and kind == "FULLY_CONNECTED" else values

    def held(self, graph, number: int, values: np.ndarray) -> np.ndarray:
        """Values as Keras keeps them in the layout of the tensor that `read` gives so."""
        kind, at = self.reader(graph, number)
        if at == 1 and kind in KERNELS:
            values = values.transpose(np.argsort(KERNELS[kind]))
        elif at == 1 and kind == "FULLY_CONNECTED":
            values = values.T
        shape = [int(size) for size in graph.tensors[number].shape]
        return np.ascontiguousarray(values.reshape(shape), np.float32)

    def reader(self, graph, number: int) -> tuple[str, int]:
        """What reads a tensor as floats of 32 bits, and as which of its inputs."""
        for operator in graph.operators:
            for at, name in enumerate(operator.inputs):
                if name == number:
                    kind = operation(self.model, operator)
                    return self.reader(graph, operator.outputs[0]) if kind == BACK else (kind, at)
        return "", 0

    def _size(self, tensor) -> int:
        buffer = self.model.buffers[tensor.buffer]
        if buffer.offset >= OUTSIDE:
            return buffer.size
        return 0 if buffer.data is None else len(buffer.data)


def read_flat(folder: Path) -> Flat:
    """Read the flatbuffer of the artifact in `folder`; raise ArtifactError where there is none."""
    path = folder / MODEL
    if not path.is_file():
        raise ArtifactError(f"{folder} has no {MODEL}; export it again")
    try:
        flat = Flat(path, unpacked(_head(path)))
        _check(flat)
    except (ArtifactError, MissingPackage) as error:
        if "export it again" in str(error) or isinstance(error, MissingPackage):
            raise
        raise ArtifactError(f"{path} is damaged, {error}; export it again") from error
    except Exception as error:  # flatbuffers reads where any number points to
        raise ArtifactError(f"{path} is damaged, no model of LiteRT's; export it again") from error
    return flat


def _head(path: Path) -> bytes:
    """The file up to the first buffer that lies behind the flatbuffer."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8)[4:] != MAGIC:
            raise ArtifactError("no flatbuffer of LiteRT's")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            model = schema().Model.GetRootAs(mapped, 0)
            count = model.BuffersLength()
            if count > size:
                raise ArtifactError("it lists more than it holds")
            offsets = (model.Buffers(at).Offset() for at in range(count))
            end = min((offset for offset in offsets if offset >= OUTSIDE), default=size)
            return mapped[:end]


def _check(flat: Flat) -> None:
    """Refuse operations that do more than compute, and buffers that are not in the file."""
    size, model = flat.path.stat().st_size, flat.model
    if not model.subgraphs or len(model.signatureDefs or ()) != 1:
        raise ArtifactError("it has no graph with one signature")
    _check_ends(flat)
    for buffer in model.buffers:
        if buffer.offset + buffer.size > size:
            raise ArtifactError(f"{flat.path} is cut short; export it again")
    for graph in model.subgraphs:
        if any(tensor.buffer >= len(model.buffers) for tensor in graph.tensors):
            raise ArtifactError("its tensors lie in buffers that it has not")
        for operator in graph.operators:
            kind = operation(model, operator)
            if kind in REFUSED:
                raise refused(
                    flat.path, f"holds the operation {kind or '?'}, which no network needs"
                )


def _check_ends(flat: Flat) -> None:
    """Refuse a signature that is not of the first graph's own ends.

    Programs that run the model without its signature get those, and would compute something else.
    """
    (signature,), main = flat.model.signatureDefs, flat.model.subgraphs[0]
    for named, own in ((signature.inputs, main.inputs), (signature.outputs, main.outputs)):
        numbers = {one.tensorIndex for one in named}
        if signature.subgraphIndex or numbers != {int(number) for number in own}:
            raise refused(flat.path, "runs another network without its signature than by it")
        if not all(0 <= number < len(main.tensors) for number in numbers):
            raise ArtifactError("its signature names tensors that it has not")


def open_litert(folder: Path) -> Opened:
    """Open the artifact in `folder`; see `Opened`."""
    flat = read_flat(folder)
    (signature,), main = flat.model.signatureDefs, flat.model.subgraphs[0]
    inputs, outputs = (
        tuple(_tensor(text(one.name), main.tensors[one.tensorIndex]) for one in side)
        for side in (signature.inputs, signature.outputs)
    )
    operators = [one for graph in flat.model.subgraphs for one in graph.operators]
    ops = Counter(operation(flat.model, one) for one in operators)
    facts = {"kind": LITERT, "ops": dict(ops), "structure": _structure(flat)}
    if pairs := activation_steps(flat.model):
        facts["pairs"] = pairs
    return Opened(inputs=inputs, outputs=outputs, weights=lambda: _weights(flat), graph=facts)


def _tensor(name: str, tensor) -> Tensor:
    sizes = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    shape = tuple(None if size < 0 else int(size) for size in (() if sizes is None else sizes))
    return Tensor(name, DTYPES.get(tensor.type, "other"), shape)


def _weights(flat: Flat) -> Iterator[Found]:
    for graph, number in flat.tensors():
        tensor = graph.tensors[number]
        values = flat.read(graph, number)
        outside = flat.model.buffers[tensor.buffer].offset >= OUTSIDE
        _, at = flat.reader(graph, number)
        if not outside and at == 2 and not values.any():
            continue  # the bias of a layer without one, which LiteRT wants
        steps = bias_steps(graph, number) if tensor.type == INT32 else ()
        yield Found.of(text(tensor.name), values, steps)


def _structure(flat: Flat) -> str:
    """sha256 of what is computed and from what: names and values of floats do not count."""
    lines = []
    for graph in flat.model.subgraphs:
        for tensor in graph.tensors:
            data = flat.model.buffers[tensor.buffer].data
            known = tensor.type not in FLOATS and data is not None
            shape = None if tensor.shape is None else [int(size) for size in tensor.shape]
            lines.append((tensor.type, shape, bytes(bytearray(data)).hex() if known else ""))
        for operator in graph.operators:
            options = vars(operator.builtinOptions) if operator.builtinOptions else {}
            ends = [[int(one) for one in side] for side in (operator.inputs, operator.outputs)]
            kind = operation(flat.model, operator)
            lines.append((kind, *ends, sorted((k, str(v)) for k, v in options.items())))
    return hashlib.sha256(repr(lines).encode()).hexdigest()
