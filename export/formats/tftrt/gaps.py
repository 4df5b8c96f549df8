"""Depthwise convolutions with gaps, in operations that TF-TRT takes.

TensorFlow puts each of the phases of a picture, every other pixel for a gap of one, into the batch,
convolves them without gaps, and puts the pixels back. Here each phase goes into channels instead,
and is convolved by the same kernel.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from export.formats.tftrt.cuts import INT32, cut, join
from export.skeleton.graph import add_constant, producer

APART, TOGETHER, KERNEL = "SpaceToBatchND", "BatchToSpaceND", "DepthwiseConv2dNative"
END = 2**31 - 1  # of any axis


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """The nodes of one such convolution, in their order, and how pixels are taken."""

    apart: object
    convolution: object
    together: object
    step: int  # along both sides
    paddings: np.ndarray  # (2, 2): before and after, of height and width
    crops: np.ndarray  # the same


def _with_gaps(graph) -> Iterator[Gaps]:
    """Find the depthwise convolutions of a GraphDef with the same gaps along both sides."""
    nodes = {node.name: node for node in graph.node}
    readers: dict[str, list] = {}
    for node in graph.node:
        for source in node.input:
            readers.setdefault(producer(source), []).append(node)
    for together in graph.node:
        if together.op != TOGETHER:
            continue
        convolution = nodes[producer(together.input[0])]
        if convolution.op != KERNEL or len(readers[convolution.name]) > 1:
            continue
        apart = nodes[producer(convolution.input[0])]
        if apart.op != APART or len(readers[apart.name]) > 1:
            continue
        found = _found(nodes, apart, convolution, together)
        if found:
            yield found


def _found(nodes, apart, convolution, together) -> Gaps | None:
    """The convolution of these nodes; None where it cannot be written in another way."""
    sources = (*apart.input[1:], *together.input[1:])
    if any(nodes[producer(source)].op != "Const" for source in sources):
        return None
    block, paddings, again, crops = (_value(nodes[producer(source)]) for source in sources)
    plain = convolution.attr["padding"].s == b"VALID" and set(convolution.attr["strides"].list.i)
    if plain != {1} or block.shape != (2,) or len(set(block)) > 1 or (block != again).any():
        return None
    return Gaps(
        apart=apart,
        convolution=convolution,
        together=together,
        step=int(block[0]),
        paddings=paddings,
        crops=crops,
    )


def _value(node) -> np.ndarray:
    import tensorflow as tf

    return tf.make_ndarray(node.attr["value"].tensor)


def fill_gaps(graph, tensors: Mapping) -> None:
    """Write the depthwise convolutions of `graph` that have gaps as ones without.

    `tensors` are its operations by name, with their shapes.
    """
    for found in list(_with_gaps(graph)):
        _fill(graph, found, tensors[found.apart.name].outputs[0].shape[3])


def _fill(graph, gaps: Gaps, channels: int) -> None:
    name, source, step = gaps.together.name, gaps.apart.input[0], gaps.step
    kind = gaps.convolution.attr["T"].type
    if gaps.paddings.any():
        pads = np.int32([[0, 0], *gaps.paddings.tolist(), [0, 0]])
        padded = graph.node.add(op="Pad", name=f"{name}/padded")
        padded.input.extend([source, add_constant(graph, f"{name}/paddings", pads)])
        padded.attr["T"].type, padded.attr["Tpaddings"].type = kind, INT32
        source = padded.name
    deep = _shuffled(graph, "SpaceToDepth", f"{name}/deep", source, step, kind)
    parts = []
    for phase in range(step * step):
        span = (phase * channels, (phase + 1) * channels)
        part = cut(graph, f"{name}/phase_{phase}", deep, 3, span, kind)
        made = graph.node.add()
        made.CopyFrom(gaps.convolution)
        made.name = f"{name}/convolved_{phase}"
        made.input[0] = part
        parts.append(made.name)
    joined = join(graph, graph.node.add(name=f"{name}/joined"), parts, 3, kind)
    if not gaps.crops.any():
        _shuffle(gaps.together, "DepthToSpace", joined, step, kind)
        return
    flat = _shuffled(graph, "DepthToSpace", f"{name}/flat", joined, step, kind)
    _crop(graph, gaps, flat, kind)


def _shuffled(graph, op: str, name: str, source: str, step: int, kind: int) -> str:
    _shuffle(graph.node.add(name=name), op, source, step, kind)
    return name


def _shuffle(node, op: str, source: str, step: int, kind: int) -> None:
    """Make `node` one that moves pixels into channels, or channels into pixels."""
    node.op = op
    node.input[:] = [source]
    node.attr.clear()
    node.attr["T"].type, node.attr["block_size"].i = kind, step
    node.attr["data_format"].s = b"NHWC"


def _crop(graph, gaps: Gaps, source: str, kind: int) -> None:
    """Make the last node what is left of `source`."""
    name = gaps.together.name
    for axis, side, (before, after) in ((1, "rows", gaps.crops[0]), (2, "columns", gaps.crops[1])):
        span = (before, -after if after else END)
        source = cut(graph, f"{name}/{side}", source, axis, span, kind)
    gaps.together.op = "Identity"
    gaps.together.input[:] = [source]
    gaps.together.attr.clear()
    gaps.together.attr["T"].type = kind
