"""A converted model in which weights are inputs of the graph, for passes of other libraries.

A model whose marked initializers are inputs takes some kilobytes whatever the network weighs, so a
pass over it takes no memory and next to no time. Afterwards the inputs are marked initializers
again, in the element type that the pass gave them, and wait to be poured.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace

from export.errors import PourError
from export.formats.onnx.admission import every_graph
from export.skeleton.pour import Placement, mark, marked
from export.skeleton.stores import Store


def open_up(model) -> dict[str, int]:
    """Turn the marked initializers of `model` into inputs; return their numbers by name."""
    from onnx import helper

    graph, indices, kept = model.graph, {}, []
    for tensor in graph.initializer:
        index = marked(tensor.raw_data)
        if index is None:
            kept.append(deepcopy(tensor))
            continue
        indices[tensor.name] = index
        dims = list(tensor.dims)
        graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, dims))
    _put(graph.initializer, kept)
    return indices


def close(model, indices: Mapping[str, int]) -> None:
    """Turn those inputs into marked initializers again; PourError where a pass lost one."""
    import onnx

    graph, kept, weights = model.graph, [], []
    for value in graph.input:
        if value.name not in indices:
            kept.append(deepcopy(value))
            continue
        kind = value.type.tensor_type
        weights.append(
            onnx.TensorProto(
                name=value.name,
                data_type=kind.elem_type,
                dims=[dim.dim_value for dim in kind.shape.dim],
                raw_data=mark(indices[value.name]),
            )
        )
    lost = indices.keys() - {tensor.name for tensor in weights}
    if lost:
        raise PourError(f"a pass over the model lost {sorted(lost)[0]}")
    _put(graph.input, kept)
    graph.initializer.extend(sorted(weights, key=lambda tensor: marked(tensor.raw_data)))


def with_stores(placements: Iterable[Placement], stores: Mapping[int, Store]) -> list[Placement]:
    """The placements, each with what its weight is kept as."""
    return [replace(p, store=stores.get(p.index, p.store)) for p in placements]


def sort(model) -> None:
    """Put the nodes in an order in which each comes after what it reads, as the checker asks."""
    graph = model.graph
    ready = {"", *(v.name for v in graph.input), *(t.name for t in graph.initializer)}
    waiting, ordered = list(graph.node), []
    while waiting:
        behind = []
        for node in waiting:
            if ready.issuperset(_reads(node)):
                ordered.append(node)
                ready.update(node.output)
            else:
                behind.append(node)
        if len(behind) == len(waiting):
            raise PourError(f"a pass over the model left {behind[0].name} without its input")
        waiting = behind
    _put(graph.node, [deepcopy(node) for node in ordered])


def bypass(graph, node, source: str = "") -> None:
    """Take `node` out: whoever reads what it gives reads `source`, by default its first input."""
    source, given = source or node.input[0], node.output[0]
    graph.node.remove(node)
    if given in {value.name for value in graph.output}:
        source, given = given, source  # an output keeps its name
    for part in every_graph(graph):
        for other in part.node:
            other.input[:] = [source if name == given else name for name in other.input]
            other.output[:] = [source if name == given else name for name in other.output]


def drop_unread(graph, kind: str) -> None:
    """Drop nodes of `kind` whose outputs nobody reads."""
    uses = Counter(name for part in every_graph(graph) for n in part.node for name in n.input)
    uses.update(value.name for value in graph.output)
    for node in list(graph.node):
        if node.op_type == kind and not any(uses[name] for name in node.output):
            graph.node.remove(node)


def drop_unread_initializers(graph) -> None:
    """Drop initializers that nobody reads."""
    read = {name for part in every_graph(graph) for node in part.node for name in node.input}
    read.update(value.name for value in graph.output)
    _put(graph.initializer, [deepcopy(held) for held in graph.initializer if held.name in read])


def _reads(node) -> set[str]:
    """What a node reads of the graph around it, in the bodies of a loop or a branch too."""
    found, made = set(node.input), set()
    for attribute in node.attribute:
        for below in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
            for part in every_graph(below):
                found.update(*(inner.input for inner in part.node))
                found.update(value.name for value in part.output)
                made.update(*(inner.output for inner in part.node))
                made.update(held.name for held in (*part.input, *part.initializer))
    return found - made


def _put(field, values) -> None:
    del field[:]
    field.extend(values)
