"""The part of a TensorFlow graph that some of its tensors need: nodes, and functions they call."""

from collections.abc import Container, Iterable, Iterator

from export.skeleton.graph import producer


def called(node) -> Iterator[str]:
    """Names of the functions that a node may call."""
    for value in node.attr.values():
        if value.WhichOneof("value") == "func":
            yield value.func.name
        elif value.WhichOneof("value") == "list":
            yield from (func.name for func in value.list.func)


def every_node(graph) -> Iterator[tuple]:
    """(node, name of the function that it is in, or ""), for a whole GraphDef."""
    yield from ((node, "") for node in graph.node)
    for function in graph.library.function:
        yield from ((node, function.signature.name) for node in function.node_def)


def nodes_behind(graph, tensors: Iterable[str], inputs: Container[str] = ()) -> set[str]:
    """Names of the nodes that `tensors` need; nothing behind the nodes `inputs` is needed."""
    nodes = {node.name: node for node in graph.node}
    found, todo = set(), [producer(tensor) for tensor in tensors]
    while todo:
        name = todo.pop()
        if name in found or name not in nodes:
            continue
        found.add(name)
        if name not in inputs:
            todo += map(producer, nodes[name].input)
    return found


def functions_behind(graph, nodes: Container[str]) -> set[str]:
    """Names of the functions that the nodes called `nodes` may call, and those that these may."""
    library = {function.signature.name: function for function in graph.library.function}
    todo = [name for node in graph.node if node.name in nodes for name in called(node)]
    found = set()
    while todo:
        name = todo.pop()
        if name in found or name not in library:
            continue
        found.add(name)
        todo += (below for node in library[name].node_def for below in called(node))
    return found


def part_of(graph, nodes: Container[str], functions: Container[str]):
    """A GraphDef of those nodes and functions, in the order of `graph`."""
    part = type(graph)(versions=graph.versions)
    part.node.extend(node for node in graph.node if node.name in nodes)
    part.library.function.extend(
        function for function in graph.library.function if function.signature.name in functions
    )
    return part


def served_part(meta_graph, signatures: Iterable[str]):
    """The GraphDef behind the outputs of those signatures: what a server runs for them.

    What computes a default of an input, which a request replaces, is left out.
    """
    graph, asked = meta_graph.graph_def, [meta_graph.signature_def[name] for name in signatures]
    tensors = [info.name for signature in asked for info in signature.outputs.values()]
    inputs = {producer(info.name) for sig in asked for info in sig.inputs.values()}
    nodes = nodes_behind(graph, tensors, inputs)
    return part_of(graph, nodes, functions_behind(graph, nodes))
