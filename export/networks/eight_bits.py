"""A traced network whose activations are rounded to 8 bits by given ranges: what an artifact does.

It is made of the ranges and of the names of the tensors that are rounded, not of the artifact's own
steps, so that a fault of these shows in the difference.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from export.calibration.names import range_of
from export.skeleton.graph import add_constant, copied, producer


def in_eight_bits(
    network, rounded: Iterable[str], ranges: Mapping[str, tuple[float, float]], *, symmetric: bool
):
    """Return the graph of `network` with the tensors called `rounded` rounded by their `ranges`.

    Those that the traced network does not have under that name are left alone; a converter puts in
    some that only move numbers.
    """
    graph = copied(network.graph)
    nodes = {node.name: node for node in graph.node}
    for tensor in dict.fromkeys(map(producer, rounded)):
        span = range_of(ranges, f"{tensor}:0") or range_of(ranges, tensor)
        if span is None or tensor not in nodes:
            continue
        if nodes[tensor].op == "Placeholder":
            for node in list(graph.node):
                for at, source in enumerate(node.input):
                    if producer(source) == tensor:
                        name = f"{node.name}/{tensor}{at}/rounded"
                        node.input[at] = _round(graph, name, source, span, symmetric)
        elif network.is_float(tensor):
            nodes[tensor].name = f"{tensor}/exact"
            _round(graph, tensor, nodes[tensor].name, span, symmetric)
    return graph


def _round(graph, name: str, source: str, span: tuple[float, float], symmetric: bool) -> str:
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    if symmetric:
        low, high = -max(-low, high), max(-low, high)
    add_constant(graph, f"{name}/low", np.float32(low))
    add_constant(graph, f"{name}/high", np.float32(max(high, low + 1e-9)))
    inputs = [source, f"{name}/low", f"{name}/high"]
    made = graph.node.add(op="FakeQuantWithMinMaxVars", name=name, input=inputs)
    made.attr["num_bits"].i, made.attr["narrow_range"].b = 8, symmetric
    return name
