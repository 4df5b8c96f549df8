"""Constants of one repeated value each, which stand in for weights while the pass runs."""

from collections.abc import Iterator

import numpy as np

from export.signatures import CLASSIFY

FLOAT = 1  # DataType.DT_FLOAT


def value_of(number: int) -> float:
    """Return the value that stands in for form `number`: unique, and exact in float32."""
    return 1.0 + (number + 1) / 65536.0


def stand_ins(graph, count: int) -> Iterator[tuple[int, object]]:
    """Yield (number, node) of each constant of a converted graph that is one of `count` stand-ins.

    One that several engines read stands in each of them.
    """
    numbers = {value_of(number): number for number in range(count)}
    for node in network_nodes(graph):
        if node.op == "Const" and node.attr["dtype"].type == FLOAT:
            value = _repeated(node.attr["value"].tensor)
            if value in numbers:
                yield numbers[value], node


def network_nodes(graph) -> Iterator:
    """Yield every node of the network: those that decode pictures and name classes are left out."""
    yield from (node for node in graph.node if not node.name.startswith(f"{CLASSIFY}/"))
    for function in graph.library.function:
        if not function.signature.name.startswith(f"{CLASSIFY}_"):
            yield from function.node_def


def shape_of(node) -> tuple[int, ...]:
    """Return the shape of a constant."""
    return tuple(dim.size for dim in node.attr["value"].tensor.tensor_shape.dim)


def _repeated(tensor) -> float | None:
    """The one value that a tensor repeats, if it does."""
    if len(tensor.float_val) == 1:
        return tensor.float_val[0]
    values = np.frombuffer(tensor.tensor_content, "<f4")
    return float(values[0]) if values.size and (values == values[0]).all() else None
