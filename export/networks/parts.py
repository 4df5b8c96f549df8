"""Multiply by a large kernel in parts, so that what is made of it is never there as a whole.

A changed graph makes something of each kernel, such as the same kernel in another order, and that
takes as much memory again: 0.4 GB for the first dense layer of a VGG. Each output channel is a sum
of its own, so a product may be made by groups of them, one after the other, and adds up the same
numbers in the same order.
"""

import math

import numpy as np
import tensorflow as tf

from export.skeleton.graph import add_constant, copied, producer

LARGE = 1 << 26  # bytes of a kernel that is taken in parts
PART = 1 << 24  # bytes of a part
FLOAT, INT = (kind.as_datatype_enum for kind in (tf.float32, tf.int32))
# What is made of a kernel, an output channel at a time; the last takes a number for each of them.
PER_CHANNEL = "FakeQuantWithMinMaxVarsPerChannel"
STEPS = ("GatherV2", "Cast", PER_CHANNEL)


def in_parts(network, graph):
    """Return `graph`, a changed one of `network`, with products by large kernels made in parts.

    Those are products by a matrix of which the graph makes something: a kernel that is multiplied
    by as it is has no copy.
    """
    graph = copied(graph)
    nodes = {node.name: node for node in graph.node}
    gone: set[str] = set()
    for node in list(graph.node):
        if steps := _steps(network, nodes, node):
            _divide(network, graph, node, [nodes[step] for step in steps])
            gone.update(steps)
    kept = (node for node in graph.node if node.name not in gone)
    made = type(graph)(versions=graph.versions, library=graph.library)
    made.node.extend(kept)
    return made


def _steps(network, nodes, node) -> list[str]:
    """The nodes between a large kernel and the product by it; none where it is taken whole."""
    if node.op != "MatMul" or node.attr["transpose_b"].b:
        return []
    steps, name = [], producer(node.input[1])
    while name in nodes and nodes[name].op in STEPS:
        steps.insert(0, name)
        name = producer(nodes[name].input[0])
    shape = network.values[name].shape if name in network.values else ()
    return steps if 4 * math.prod(shape) > LARGE else []


def _divide(network, graph, product, steps: list) -> None:
    """Make `product` the join of products by parts of its kernel, each made when it is its turn."""
    holder = producer(steps[0].input[0])
    rows, columns = network.values[holder].shape
    width = max(1, PART // (4 * rows))
    parts: list[str] = []
    for start in range(0, columns, width):
        span = start, min(width, columns - start)
        name = f"{product.name}/part{len(parts)}"
        waits = [source for step in steps for source in step.input if source.startswith("^")]
        waits += [f"^{last}" for last in parts[-1:]]
        kernel = _cut(graph, f"{name}/kernel", holder, (0, span[0]), (rows, span[1]))
        kernel.input.extend(waits)
        source = kernel.name
        for step in steps:
            source = _for_part(graph, step, source, span, len(parts))
        made = graph.node.add()
        made.CopyFrom(product)
        made.name = name
        made.input[1] = source
        parts.append(name)
    axis = add_constant(graph, f"{product.name}/columns", np.int32(1))
    product.op = "ConcatV2"
    product.input[:] = [*parts, axis]
    product.attr.clear()
    product.attr["N"].i = len(parts)
    product.attr["T"].type, product.attr["Tidx"].type = FLOAT, INT


def _for_part(graph, step, source: str, span: tuple[int, int], number: int) -> str:
    """Add a copy of `step` that is for the columns of `span`, (first, count), alone."""
    name = f"{step.name}/part{number}"
    others = [other for other in step.input[1:] if not other.startswith("^")]
    if step.op == PER_CHANNEL:
        first, count = (span[0],), (span[1],)
        others = [
            _cut(graph, f"{name}/{at}", other, first, count).name for at, other in enumerate(others)
        ]
    made = graph.node.add()
    made.CopyFrom(step)
    made.name = name
    made.input[:] = [source, *others]
    return name


def _cut(graph, name: str, source: str, first: tuple, count: tuple):
    """Add a node that takes `count` values along each axis, from `first` on."""
    cut = graph.node.add(op="Slice", name=name)
    begin = add_constant(graph, f"{name}/first", np.int32(first))
    size = add_constant(graph, f"{name}/count", np.int32(count))
    cut.input.extend([source, begin, size])
    cut.attr["T"].type, cut.attr["Index"].type = FLOAT, INT
    return cut
