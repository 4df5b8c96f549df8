"""Write a .tflite: the converter's flatbuffer, and weights behind it."""

import math
import re
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from export.errors import ExportError, PourError
from export.formats.base import Order
from export.formats.litert.conversion import stand_in_value
from export.formats.litert.flatbuffer import (
    OUTSIDE,
    number_of,
    operation,
    packed,
    schema,
    text,
    unpacked,
)
from export.formats.litert.reading import KERNELS, MODEL
from export.process import Child, child_of
from export.skeleton.graph import producer
from export.skeleton.pour import Placement, Step, check_placements
from export.skeleton.stores import FLOAT16, Store

ALIGNMENT = 64  # bytes
PLACE = re.compile(
    r" *(?<![^\s.])/\S+:\d+:\d+: error: "
)  # a line of ours, which tells nobody anything
MOST_WEIGHTS = 16_000  # each has a float16 of its own to stand for it


Places = list[tuple[int, Placement]]  # the number of the buffer that each is of


def begin(order: Order, held: ExitStack) -> None:
    """Start the process that converts: it imports TensorFlow now, and has no weight until it works.

    Where the system starts none yet, it is asked for again when it is needed.
    """
    ends = held.enter_context(ExitStack())
    try:
        child = ends.enter_context(_converter(order.scratch))
    except OSError:
        return

    def finish() -> tuple[bytes, dict[int, int]]:
        with ends:
            return _convert(order, child)

    order.conversion.begin(finish)


def _converter(scratch: Path) -> Child:
    return child_of("export.formats.litert.conversion", scratch, packages=["tensorflow"])


def write_flatbuffer(order: Order, store: Callable[[str], Store]) -> None:
    """Write the artifact; `store` says what a weight is kept as, by its name; see `converted`."""
    model, places = converted(order, store)
    pour(model, order.skeleton.weights, places, order.folder / MODEL)


def converted(order: Order, store: Callable[[str], Store]) -> tuple[object, Places]:
    """What LiteRT's converter makes of the network, without its weights, and where these go.

    Raises PourError where the converter lost a weight, and ExportError where it has no conversion.
    """
    content, buffers = order.conversion.once(partial(_convert, order))
    model = unpacked(content)
    weights, places = order.skeleton.weights, []
    for graph in model.subgraphs:
        for number, tensor in enumerate(list(graph.tensors)):
            if tensor.buffer not in buffers:
                tensor.name = text(tensor.name).split(";")[0]
                continue
            index = buffers[tensor.buffer]
            kept = store(weights[index].name)
            steps = _steps(model, graph, number, weights[index], order.skeleton.graph)
            shape = tuple(int(size) for size in tensor.shape)
            name = tensor.name = weights[index].name
            places.append((tensor.buffer, Placement(index, name, shape, steps, store=kept)))
            if kept == FLOAT16:
                _compress(model, graph, number)
    _name_ends(model, order.skeleton.contract)
    try:
        check_placements(weights, [place for _, place in places])
    except PourError as error:
        raise PourError(
            f"litert cannot hold each weight of {order.skeleton.name}: {error}; export to another "
            "format, such as openvino or onnx"
        ) from error
    return model, places


def _convert(order: Order, begun: Child | None = None) -> tuple[bytes, dict[int, int]]:
    """The flatbuffer without weights, and the weight that each of its empty buffers is of."""
    from export.skeleton.tracing import with_constants

    skeleton = order.skeleton
    if len(skeleton.weights) > MOST_WEIGHTS:
        raise PourError(f"{skeleton.name} has more than {MOST_WEIGHTS} weights; choose another")
    graph = with_constants(skeleton, lambda index, _: stand_in_value(index))
    job = {
        "inputs": [
            (t.name, t.dtype, [s if isinstance(s, int) else None for s in t.shape])
            for t in skeleton.contract.inputs
        ],
        "outputs": [tensor.name for tensor in skeleton.contract.outputs],
        "weights": len(skeleton.weights),
    }
    arrays = {"graph": np.frombuffer(graph.SerializeToString(), np.uint8)}
    with nullcontext(begun) if begun else _converter(order.scratch) as child:
        answer, made = child.ask(job, arrays)
    if answer["error"]:
        raise ExportError(
            f"the LiteRT converter does not convert {skeleton.name}: "
            f"{PLACE.sub(' ', answer['error'])}; export to another format, such as onnx"
        )
    buffers = {int(at): index for at, index in answer["weights"].items()}
    return made["model"].tobytes(), buffers


def _steps(model, graph, number: int, weight, traced) -> tuple[Step, ...]:
    """The steps from a weight as Keras keeps it to the constant that is tensor `number`."""
    shape = tuple(int(size) for size in graph.tensors[number].shape)
    readers = [
        (operation(model, one), at)
        for one in graph.operators
        for at, name in enumerate(one.inputs)
        if name == number
    ]
    kind, at = readers[0] if readers else ("", 0)
    if kind == "FULLY_CONNECTED" and at == 1 and not _is_turned(traced, weight.name):
        return (Step("transpose", (1, 0)),)
    if at == 1 and kind in KERNELS:
        wide = (1,) * (len(shape) - len(weight.shape)) + weight.shape  # of one axis of pixels
        steps = (Step("transpose", tuple(np.argsort(KERNELS[kind]).tolist())),)
        return steps if wide == weight.shape else (Step("reshape", wide), *steps)
    if shape == weight.shape:
        return ()
    lengths = [[size for size in one if size != 1] for one in (shape, weight.shape)]
    joined = kind.startswith("DEPTHWISE") and at == 1
    cut = len(lengths[1]) == 1 and lengths[1] == [math.prod(shape)]  # as that of a norm of groups
    if lengths[0] != lengths[1] and not (joined or cut):
        raise PourError(
            f"the converter gave {weight.name} of shape {weight.shape} a place of shape {shape}; "
            "export to another format, such as onnx"
        )
    return (Step("reshape", shape),)


def _is_turned(traced, name: str) -> bool:
    """Whether the product that reads a weight takes it turned already."""
    return any(
        node.op == "MatMul" and node.attr["transpose_b"].b and producer(node.input[1]) == name
        for node in traced.node
    )


def _compress(model, graph, number: int) -> None:
    """Have a weight be of 16 bits, and what reads it read it through an operation back to 32."""
    kinds, weight = schema(), graph.tensors[number]
    wide = kinds.TensorT()
    wide.shape, wide.type, wide.buffer = weight.shape, kinds.TensorType.FLOAT32, 0
    wide.name, wide.hasRank = f"{weight.name}/float32", True
    weight.type = kinds.TensorType.FLOAT16
    graph.tensors.append(wide)
    made = len(graph.tensors) - 1
    for operator in graph.operators:
        operator.inputs = [made if name == number else int(name) for name in operator.inputs]
    back = kinds.OperatorT()
    back.opcodeIndex, back.inputs, back.outputs = number_of(model, "DEQUANTIZE"), [number], [made]
    graph.operators.insert(0, back)


def _name_ends(model, contract) -> None:
    """Give inputs and outputs the names of the contract; PourError where some are missing."""
    (signature,), main = model.signatureDefs, model.subgraphs[0]
    for maps, tensors in (
        (signature.inputs, contract.inputs),
        (signature.outputs, contract.outputs),
    ):
        places = {text(one.name): one.tensorIndex for one in maps}
        if places.keys() != {tensor.name for tensor in tensors}:
            names = [tensor.name for tensor in tensors]
            raise PourError(f"the converter made tensors {sorted(places)} of {names}")
        for name, place in places.items():
            main.tensors[place].name = name


def pour(model, weights, places: Places, path: Path) -> None:
    """Write the flatbuffer, and behind it the weights, at the offsets that it states."""
    for number, _ in places:
        model.buffers[number].offset = model.buffers[number].size = OUTSIDE  # takes its room
    end = len(packed(model))
    for number, place in places:
        buffer = model.buffers[number]
        buffer.offset = end + -end % ALIGNMENT
        buffer.size = place.store.itemsize * int(np.prod(place.shape))
        end = buffer.offset + buffer.size
    with path.open("wb") as file:
        file.write(packed(model))
        for number, place in places:
            file.write(b"\0" * (model.buffers[number].offset - file.tell()))
            for chunk in place.chunks(weights[place.index]):
                file.write(chunk)
