"""A model of LiteRT's in 8 bits with nothing in it that rounds, its weights as float32."""

import tempfile
from pathlib import Path

import numpy as np

from export.formats.litert.flatbuffer import OUTSIDE, operation, packed, unpacked
from export.formats.litert.network import ALIGNMENT, LiteRtNetwork
from export.formats.litert.reading import HELD, MODEL, Flat, read_flat
from export.formats.litert.steps import DEQUANTIZE, QUANTIZE, as_floats, is_rounded

ROWS = 1 << 24  # numbers of a weight that are turned at a time
FLOAT = 0  # TensorType.FLOAT32


def open_plain(folder: Path) -> LiteRtNetwork:
    """Open the artifact in `folder` so; its floats lie in a file that is gone with the network."""
    flat = read_flat(folder)
    place = tempfile.TemporaryDirectory(prefix="litert-")
    _write_floats(flat, Path(place.name) / MODEL)
    network = LiteRtNetwork(read_flat(Path(place.name)))
    network.place = place
    return network


def _write_floats(flat: Flat, path: Path) -> None:
    """Write the model of `flat` in 32 bits: activations are floats, and constants what they are."""
    model = unpacked(packed(flat.model))
    constants = {
        tensor.buffer: tensor
        for graph, number in flat.tensors()
        for tensor in (graph.tensors[number],)
    }
    for graph in model.subgraphs:
        _without_steps(model, graph)
        for tensor in graph.tensors:
            if tensor.buffer in constants or is_rounded(tensor):
                tensor.type, tensor.quantization = FLOAT, None
    for number in constants:
        model.buffers[number].data = None
        model.buffers[number].offset = model.buffers[number].size = OUTSIDE  # takes its room
    end = len(packed(model))
    for number, tensor in constants.items():
        buffer = model.buffers[number]
        buffer.offset = end + -end % ALIGNMENT
        buffer.size = 4 * int(np.prod(() if tensor.shape is None else tensor.shape))
        end = buffer.offset + buffer.size
    with path.open("wb") as file:
        file.write(packed(model))
        for number, tensor in constants.items():
            file.write(b"\0" * (model.buffers[number].offset - file.tell()))
            for rows in _floats(flat, tensor):
                file.write(np.ascontiguousarray(rows, "<f4"))


def _without_steps(model, graph) -> None:
    """Take out what turns numbers into other steps, or into floats."""
    for operator in list(graph.operators):
        if operation(model, operator) not in (QUANTIZE, DEQUANTIZE):
            continue
        source, given = int(operator.inputs[0]), int(operator.outputs[0])
        graph.operators.remove(operator)
        if given in {int(number) for number in graph.outputs}:
            source, given = given, source  # an output keeps its name
        for other in graph.operators:
            other.inputs = [source if n == given else int(n) for n in other.inputs]
            other.outputs = [source if n == given else int(n) for n in other.outputs]


def _floats(flat: Flat, tensor):
    """Yield the values of a constant as float32, some rows at a time."""
    buffer, dtype = flat.model.buffers[tensor.buffer], HELD[tensor.type]
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    if buffer.offset < OUTSIDE or not is_rounded(tensor) or not shape:
        yield flat.values(tensor)
        return
    held = np.memmap(flat.path, dtype, "r", buffer.offset, shape)
    rows = max(1, ROWS // max(1, held[:1].size))
    for start in range(0, len(held), rows):
        yield as_floats(tensor, held[start : start + rows], start)
