"""Take out of a model in 8 bits what its pairs repeat: in a small network that is a fortieth of it.

The quantizer names what it adds after what it adds it to, four times for each pair; nobody asks for
those by name. Names of layers, of weights and their scales, and of the network's tensors stay.
"""

from collections.abc import Collection, Iterator
from itertools import count

from export.formats.onnx.pairs import DQ, Q, products_of_steps
from export.formats.onnx.weightless import drop_unread_initializers


def slim(graph, weights: Collection[str]) -> None:
    """Shorten the names of what pairs add to `graph`, but for the scales of `weights`."""
    _share_zeros(graph)
    products = products_of_steps(graph).values()
    pairs = [node for node in graph.node if node.op_type in (Q, DQ)]
    added = dict.fromkeys(name for node in pairs for name in (*node.input[1:], *node.output))
    own = {value.name for value in graph.output}
    own.update(node.input[1] for node in pairs if node.input[0] in weights)
    fresh = _names(graph)
    short = {name: next(fresh) for name in added if name not in own}
    for node in (*pairs, *products):
        node.ClearField("name")
    for node in graph.node:
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)


def _share_zeros(graph) -> None:
    """Have all pairs with the same zero points read the same tensor; scales are each their own."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    first: dict[bytes, str] = {}
    for node in graph.node:
        if node.op_type in (Q, DQ) and len(node.input) > 2:
            zero = type(held[node.input[2]])()
            zero.CopyFrom(held[node.input[2]])
            zero.ClearField("name")
            content = zero.SerializeToString(deterministic=True)
            node.input[2] = first.setdefault(content, node.input[2])
    drop_unread_initializers(graph)


def _names(graph) -> Iterator[str]:
    """Short names that nothing in `graph` has."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken.update(value.name for value in (*graph.input, *graph.output, *graph.initializer))
    return (name for number in count() if (name := f"q{number}") not in taken)
