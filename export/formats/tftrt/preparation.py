"""Rewrite a traced network in the operations that TF-TRT takes, its weights as constants.

TF-TRT wants kernels that are constants, not reshaped ones, and it takes no shape that is computed
at run time. A stand-in that the graph reshapes becomes a constant of the new shape, so a weight may
have several forms, and each of them a value of its own by which it is found again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from export.contract import Contract
from export.formats.tftrt.cuts import cut, join
from export.formats.tftrt.gaps import fill_gaps
from export.skeleton.graph import add_constant, copied, make_constant, needed, producer
from export.skeleton.pour import Step, follow
from export.skeleton.tracing import stand_in

MOVES = ("Reshape", "ExpandDims", "Squeeze", "Identity")  # none of them changes the order of values
INT32, INT64, FLOAT, COMPLEX = (
    kind.as_datatype_enum for kind in (tf.int32, tf.int64, tf.float32, tf.complex64)
)
TO_ROWS = (  # of a table: what may be done to their numbers on the way
    *("Const", "Identity", "ExpandDims", "Reshape", "Squeeze", "Less", "AddV2", "SelectV2"),
    *("Equal", "NotEqual", "GatherV2"),
)
EXACT = {t.as_datatype_enum for t in (tf.bool, tf.uint8, tf.int8, tf.float16)}  # in float16
AS_THEY_ARE: Mapping[str, tuple[int, ...]] = {}  # no shape is another


@dataclass(frozen=True)
class Form:
    """A constant of the graph: weight number `index`, in `shape`."""

    index: int
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()

    def of(self, values: np.ndarray) -> np.ndarray:
        return follow(self.steps, values)


@dataclass(frozen=True)
class Prepared:
    """A graph in which every form of a weight is a node without values yet."""

    graph: object
    contract: Contract
    forms: Mapping[str, Form]  # by the name of the node

    def filled(
        self, value: Callable[[int, Form], np.ndarray | float], shapes: Mapping = AS_THEY_ARE
    ):
        """Return the graph with constants: `value(number, form)`, or one float that is repeated.

        Floats are repeated in the form's shape, or in another one that `shapes` has for the node.
        """
        made = copied(self.graph)
        numbers = {name: number for number, name in enumerate(self.forms)}
        for node in made.node:
            if node.name in numbers:
                form = self.forms[node.name]
                shape = shapes.get(node.name, form.shape)
                _fill(node, shape, value(numbers[node.name], form))
        tensors = (*self.contract.inputs, *self.contract.outputs)
        return needed(made, [tensor.name for tensor in tensors])


def prepare(skeleton) -> Prepared:
    """Return the traced network of `skeleton` as TF-TRT takes it."""
    graph = copied(skeleton.graph)
    _narrow_ids(graph)
    held = _held(graph, skeleton.weights)
    tensors = _imported(graph)
    fill_gaps(graph, tensors)
    for node in list(graph.node):
        if node.name not in held and node.op in REWRITES:
            REWRITES[node.op](graph, node, tensors)
    return Prepared(graph, skeleton.contract, {name: held[name] for name in _read(graph, held)})


def _narrow_ids(graph) -> None:
    """Look rows up by int32 where the network takes int64, which TensorRT does not.

    A table has no rows beyond int32. Nothing is done where int64 is more than the way to a table.
    """
    tensors = _imported(graph)
    wide = [op for op in tensors.values() if _touches(op, tf.int64)]
    casts = {op.name for op in wide if op.type == "Cast" and op.inputs[0].op.type == "Placeholder"}
    found = {op.name: op for op in wide if op.name not in casts and op.type != "Placeholder"}
    rows = any(op.type == "GatherV2" for op in found.values())
    if not rows or any(op.type not in TO_ROWS or _given(op) for op in found.values()):
        return
    for node in list(graph.node):
        if node.op == "Placeholder" and node.attr["dtype"].type == INT64:
            cast = graph.node.add(op="Cast", name=f"{node.name}/narrow", input=[node.name])
            cast.attr["SrcT"].type, cast.attr["DstT"].type = INT64, INT32
        elif node.name in found and node.op == "Const":
            make_constant(node, tf.get_static_value(tensors[node.name].outputs[0]), tf.int32)
        elif node.name in found:
            _take_int32(node, tensors)


def _touches(op, kind) -> bool:
    return kind in [tensor.dtype for tensor in (*op.inputs, *op.outputs)]


def _given(op) -> bool:
    """Whether the operation is an end of the network and gives int64 itself."""
    return op.outputs[0].dtype == tf.int64 and not op.outputs[0].consumers()


def _take_int32(node, tensors) -> None:
    for value in node.attr.values():
        if value.type == INT64:
            value.type = INT32
    for k, source in enumerate(node.input):
        given = tensors[producer(source)]
        if given.type == "Placeholder" and given.outputs[0].dtype == tf.int64:
            node.input[k] = f"{given.name}/narrow"


def _held(graph, weights) -> dict[str, Form]:
    """Map nodes that are a weight, or do no more than reshape one, to its form."""
    found = {stand_in(k): Form(k, weight.shape) for k, weight in enumerate(weights)}
    tensors = _imported(graph)
    for node in graph.node:  # a node stands behind what it reads
        if node.op in MOVES and node.input and producer(node.input[0]) in found:
            shape = tensors[node.name].outputs[0].shape
            if shape.is_fully_defined():
                form = found[producer(node.input[0])]
                shape = tuple(shape.as_list())
                steps = () if shape == weights[form.index].shape else (Step("reshape", shape),)
                found[node.name] = Form(form.index, shape, steps)
    return found


def _read(graph, held) -> list[str]:
    """The nodes in `held` that something else reads."""
    used = {producer(s) for node in graph.node if node.name not in held for s in node.input}
    return [name for name in held if name in used]


def _imported(graph) -> dict:
    """The operations of a GraphDef by name, which have shapes."""
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(graph, name="")
    return {op.name: op for op in imported.get_operations()}


def _fill(node, shape, value) -> None:
    if not isinstance(value, float):
        make_constant(node, np.ascontiguousarray(value, np.float32))
        return
    make_constant(node, np.float32(value))
    node.attr["value"].tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())


def _fix_shape(graph, node, tensors) -> None:
    """Give a Reshape a constant shape, where no more than one axis is free."""
    shape = tensors[node.name].outputs[0].shape
    if shape.rank is None or tensors[producer(node.input[1])].type == "Const":
        return
    sizes = shape.as_list()
    if sizes.count(None) < 2:
        sizes = [-1 if size is None else size for size in sizes]
        node.input[1] = add_constant(graph, f"{node.name}/static", np.array(sizes, np.int32))
        node.attr["Tshape"].type = INT32


def _fix_size(graph, node, tensors) -> None:
    """Give a transposed convolution its height and width alone: the batch is that of its input."""
    sizes = tensors[node.name].outputs[0].shape.as_list()
    if node.attr["data_format"].s == b"NHWC" and None not in sizes[1:]:
        size = np.array(sizes[1:3], np.int32)
        node.input[0] = add_constant(graph, f"{node.name}/static", size)


def _multiply(graph, node, tensors) -> None:
    """Broadcast by a product with ones, which TF-TRT knows."""
    if tensors[node.name].outputs[0].dtype != tf.float32:
        return
    source, shape = node.input
    ones = graph.node.add(op="Fill", name=f"{node.name}/ones")
    ones.input.extend([shape, add_constant(graph, f"{node.name}/one", np.float32(1))])
    ones.attr["T"].type = node.attr["T"].type
    ones.attr["index_type"].type = node.attr["Tidx"].type
    node.op = "Mul"
    node.input[:] = [ones.name, source]
    node.attr.pop("Tidx")


def _roll(graph, node, tensors) -> None:
    """Roll by joining the two parts of each axis the other way round."""
    op = tensors[node.name]
    shifts, axes = (tf.get_static_value(one) for one in op.inputs[1:])
    sizes = op.inputs[0].shape
    if shifts is None or axes is None or sizes.rank is None:
        return
    kind, source = node.attr["T"].type, node.input[0]
    turns = list(zip(np.atleast_1d(shifts), np.atleast_1d(axes), strict=True))
    if any(sizes[int(axis)] is None for _, axis in turns):
        return
    for turn, (shift, axis) in enumerate(turns):
        at, last = int(-shift % sizes[int(axis)]), turn == len(turns) - 1
        name = f"{node.name}/turn_{turn}"
        spans = [(at, sizes[int(axis)]), (0, at)]
        parts = [
            cut(graph, f"{name}/{k}", source, int(axis) % sizes.rank, span, kind)
            for k, span in enumerate(spans)
        ]
        made = node if last else graph.node.add(name=name)
        source = join(graph, made, parts, axis % sizes.rank, kind)


def _mirror(graph, node, tensors) -> None:
    """Pad by rows that are cut out one by one, and joined in the other order."""
    op = tensors[node.name]
    source, sizes = node.input[0], op.inputs[0].shape
    paddings = tf.get_static_value(op.inputs[1])
    if paddings is None or sizes.rank is None:
        return
    padded = [axis for axis in range(sizes.rank) if paddings[axis].any()]
    if not padded or any(sizes[axis] is None for axis in padded):
        return
    kind, shift = node.attr["T"].type, int(node.attr["mode"].s == b"REFLECT")
    for axis in padded:
        name, (before, after) = f"{node.name}/side_{axis}", map(int, paddings[axis])
        rows = [*range(before - 1 + shift, shift - 1, -1)]
        last = [*range(sizes[axis] - 1 - shift, sizes[axis] - 1 - shift - after, -1)]
        parts = [
            cut(graph, f"{name}/{k}", source, axis, (row, row + 1), kind)
            for k, row in enumerate([*rows, *last])
        ]
        made = node if axis == padded[-1] else graph.node.add(name=f"{name}/joined")
        source = join(graph, made, [*parts[:before], source, *parts[before:]], axis, kind)


def _unpack(graph, node, tensors) -> None:
    """Take each part of an axis by itself."""
    op = tensors[node.name]
    rank, kind = op.inputs[0].shape.rank, node.attr["T"].type
    if rank is None:
        return
    axis = node.attr["axis"].i % rank
    names = {}
    for k in range(len(op.outputs)):
        name = f"{node.name}/part_{k}"
        part = cut(graph, name, node.input[0], axis, (k, k + 1), kind, shrink=True)
        names[node.name if k == 0 else f"{node.name}:{k}"] = part
    for reader in graph.node:
        if reader is not node:
            reader.input[:] = [names.get(source, source) for source in reader.input]


def _cast_exactly(graph, node, tensors) -> None:
    """Cast an input to float32 by way of complex numbers, which hold two.

    The pass casts through float16 where a cast to float32 stands, and rounds what is beyond 2048.
    """
    kind, given = node.attr["SrcT"].type, tensors[producer(node.input[0])]
    if kind in EXACT or node.attr["DstT"].type != FLOAT or given.type != "Placeholder":
        return
    twice = graph.node.add(op="Cast", name=f"{node.name}/complex", input=node.input)
    twice.attr["SrcT"].type, twice.attr["DstT"].type = kind, COMPLEX
    node.op = "Real"
    node.input[:] = [twice.name]
    node.attr.clear()
    node.attr["T"].type, node.attr["Tout"].type = COMPLEX, FLOAT


REWRITES = {
    "BroadcastTo": _multiply,
    "Cast": _cast_exactly,
    "Conv2DBackpropInput": _fix_size,
    "MirrorPad": _mirror,
    "Reshape": _fix_shape,
    "Roll": _roll,
    "Unpack": _unpack,
}
