"""A GraphDef as a function that TensorFlow runs.

`tf.import_graph_def` makes Python objects of every node first, which for a network of some hundred
layers takes as long as a run of it. A FunctionDef says the same in the runtime's own words.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from weakref import finalize

import tensorflow as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.python.eager import context
from tensorflow.python.framework import op_def_registry

from export.skeleton.graph import copied, producer, with_own_functions

_numbers = count()  # functions need names of their own


class GraphFunction:
    """A function from values of the nodes `given` of `graph`, its placeholders, to its `ports`.

    A port is an output of a node, such as "logits:0". For tensors of other shapes TensorFlow is
    told of another function, and of none of them any more when this object is gone. Raises OpError
    where the graph does not run, and ValueError where it has an operation that TensorFlow lacks.
    """

    def __init__(self, graph, given: Sequence[str], ports: Sequence[str]):
        if graph.library.function:
            graph = with_own_functions(copied(graph))
            _register(graph.library)
        self._prefix = _unused(graph)
        self._ends = _Ends(graph, {name: f"{self._prefix}{at}" for at, name in enumerate(given)})
        self._graph, self._ports = graph, ports
        self._names: dict[tuple, bytes] = {}
        finalize(self, _forget, self._names).atexit = False

    def __call__(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the values at the ports for `tensors`, one of each node that is given."""
        kinds = tuple((tensor.dtype, tuple(tensor.shape)) for tensor in tensors)
        if kinds not in self._names:
            name = f"graph_function_{next(_numbers)}"
            context.context().add_function_def(self._definition(name, tensors))
            self._names[kinds] = name.encode()
        return context.context().call_function(self._names[kinds], tensors, len(self._ports)) or []

    def _definition(self, name: str, tensors: Sequence[tf.Tensor]) -> FunctionDef:
        made, ends = FunctionDef(), self._ends
        made.signature.name = name
        for at, tensor in enumerate(tensors):
            made.signature.input_arg.add(
                name=f"{self._prefix}{at}", type=tensor.dtype.as_datatype_enum
            )
            shapes = made.arg_attr[at].attr["_output_shapes"].list.shape
            shapes.add().CopyFrom(tensor.shape.as_proto())
        for node in self._graph.node:
            if node.op != "Placeholder":
                own = made.node_def.add()
                own.CopyFrom(node)
                own.input[:] = filter(None, map(ends.called, node.input))
        for at, port in enumerate(self._ports):
            end = f"{self._prefix}{at}made"
            made.ret[end] = ends.called(port)
            kind = ends.kind(port, tensors)
            made.signature.output_arg.add(name=end, type=kind)
        return made


def _unused(graph) -> str:
    """Return what no node's name begins with: arguments of a function, and ends, are nodes too."""
    prefix = "own"
    while any(node.name.startswith(prefix) for node in graph.node):
        prefix += "_"
    return prefix


def _forget(names: dict[tuple, bytes]) -> None:
    for name in names.values():
        context.context().remove_function(name)


def _register(library) -> None:
    """Make functions known to the runtime that the nodes of a graph call."""
    runtime = context.context()
    for function in library.function:
        if not runtime.has_function(function.signature.name):
            runtime.add_function_def(function)


class _Ends:
    """What outputs of the nodes of a graph are called within a function, and their types."""

    def __init__(self, graph, given: dict[str, str]):
        self._given = given  # arguments of the function, by nodes of the graph
        self._nodes = {node.name: node for node in graph.node}
        signatures = (function.signature for function in graph.library.function)
        self._functions = {signature.name: signature for signature in signatures}
        self._known: dict[str, list[tuple[str, int]]] = {}  # of nodes: names and types

    def called(self, source: str) -> str:
        """What an input of a node is called; nothing if it is a turn that comes first anyway."""
        node = producer(source)
        if source.startswith("^"):
            return "" if node in self._given else source
        return self._given[node] if node in self._given else self._of(source)[0]

    def kind(self, port: str, tensors: Sequence[tf.Tensor]) -> int:
        """The type at a port, for these arguments."""
        if (node := producer(port)) in self._given:
            return tensors[list(self._given).index(node)].dtype.as_datatype_enum
        return self._of(port)[1]

    def _of(self, source: str) -> tuple[str, int]:
        name, _, at = source.partition(":")
        if name not in self._known:
            self._known[name] = [*self._outputs(self._nodes[name])]
        return self._known[name][int(at or 0)]

    def _outputs(self, node) -> Iterator[tuple[str, int]]:
        """Yield the name within a function, and the type, of each output of a node."""
        operation = op_def_registry.get(node.op) or self._functions.get(node.op)
        if operation is None:
            raise ValueError(f"TensorFlow has no operation {node.op}, which {node.name} is")
        own = {attribute.name: attribute.default_value for attribute in operation.attr}
        own |= node.attr
        for end in operation.output_arg:
            if end.type_list_attr:
                kinds = list(own[end.type_list_attr].list.type)
            else:
                kind = end.type or own[end.type_attr].type
                kinds = [kind] * (own[end.number_attr].i if end.number_attr else 1)
            for at, kind in enumerate(kinds):
                yield f"{node.name}:{end.name}:{at}", kind
