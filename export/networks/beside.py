"""Run batches beside each other, each through its own copy of a network, on the same weights.

What a graph makes of weights alone, such as a kernel in another order, is made once for all copies
and held for as long as they need it: a copy of the largest kernel for each batch would take longer
than the batch itself. Where no kernel is large, batches run one after the other.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from export.contract import Batch
from export.networks.graph_function import GraphFunction
from export.networks.tensorflow import TensorFlowNetwork
from export.skeleton.graph import needed, producer

AT_ONCE = 4  # batches, because each holds its own activations
NOTHING: Mapping[str, tf.Tensor] = {}
HEAVY = 1 << 26  # bytes of a kernel, below which activations are what takes memory


class Beside:
    """Runs the graph of a network, which may be changed; what runs it is built once."""

    def __init__(self, network: TensorFlowNetwork, graph):
        self._network, self._graph = network, graph
        self._step = AT_ONCE if _large(network) else 1
        self._functions: dict[tuple, _Function] = {}

    def run(
        self,
        batches: Sequence[Batch],
        tensors: Sequence[Sequence[str]],
        fed: Mapping[str, tf.Tensor] = NOTHING,
    ) -> list[list[np.ndarray]]:
        """Return of each batch the values of its `tensors`.

        `fed` are values of placeholders that the graph has beside inputs and weights, the same for
        each batch.
        """
        made = []
        for start in range(0, len(batches), self._step):
            part = slice(start, start + self._step)
            made += self._function(tensors[part], fed)(batches[part], fed)
        return made

    def _function(self, tensors: Sequence[Sequence[str]], fed: Iterable[str]) -> "_Function":
        wanted = tuple(map(tuple, tensors))
        if wanted not in self._functions:
            graph = needed(self._graph, {producer(one) for names in wanted for one in names})
            self._functions[wanted] = _Function(self._network, graph, wanted, fed)
        return self._functions[wanted]


class _Function:
    """A function from as many batches as there are in `tensors` to the values of these."""

    def __init__(self, network, graph, tensors: Sequence[Sequence[str]], fed: Iterable[str]):
        nodes = {node.name for node in graph.node}
        self._fed = [name for name in [*network.values, *fed] if name in nodes]
        beside, shared = _copies(network, graph, len(tensors), self._fed)
        self._network, self._tensors = network, tensors
        read = network.read_inputs().values()
        given = [_name(at, producer(end)) for at in range(len(tensors)) for end in read]
        ports = [
            _source(at, name, shared) if ":" in name else f"{_source(at, name, shared)}:0"
            for at, names in enumerate(tensors)
            for name in names
        ]
        self._run = GraphFunction(beside, [*given, *self._fed], ports)

    def __call__(self, batches: Sequence[Batch], fed: Mapping[str, tf.Tensor]):
        read = self._network.read_inputs()
        given = [tf.constant(batch[name]) for batch in batches for name in read]
        held = {**self._network.values, **fed}
        found = iter(self._run([*given, *(held[name] for name in self._fed)]))
        return [[np.asarray(next(found)) for _ in names] for names in self._tensors]


@dataclass(frozen=True)
class _Order:
    """Which nodes of a graph all copies share, and where a copy makes room for the next one.

    Most activations are those of the first layers, and most weights are those of the last. So a
    copy begins when the one before it has come to the large kernels, and all apply these together.
    """

    shared: set[str]  # weights, constants, and what is made of them alone
    large: set[str]  # those of them that are large kernels, and what is made of these
    gates: set[str]  # what products by large kernels read beside them, and what comes after these

    def turns(self, node: str, copies: int) -> range:
        """The copies for which a shared `node` waits: all, or the first if these take turns."""
        return range(copies if not self.large or node in self.large else 1)


def _order(network, graph, fed: Iterable[str]) -> _Order:
    shared = _of_weights([*network.values, *fed], graph)
    large = _large(network)
    reads = {node.name: _read_by(node) for node in graph.node}
    behind = _closed(large, lambda name, found: not found.isdisjoint(reads[name]), reads)
    late = behind - shared
    gates = {source for name in late for source in reads[name]} - late - shared
    inputs = {producer(end) for end in network.inputs.values()}
    return _Order(shared, behind & shared, gates - inputs)


def _large(network) -> set[str]:
    """The names of large kernels; small ones, however many, are copied beside what they do."""
    return {name for name, value in network.values.items() if 4 * math.prod(value.shape) > HEAVY}


def _copies(network, graph, count: int, fed: Iterable[str] = ()):
    """Return `graph` with a copy of each node for each batch, and the names of nodes without.

    `fed` are the names of what is the same for all, beside weights.
    """
    order, inputs = _order(network, graph, fed), set(map(producer, network.inputs.values()))
    shared, beside = order.shared, type(graph)(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.op == "Placeholder":  # its values are given
            continue
        once = node.name in shared
        for at in range(1 if once else count):
            made = beside.node.add()
            made.CopyFrom(node)
            made.attr.pop("_class", None)  # it names other nodes
            if not once:
                made.name = _name(at, node.name)
            del made.input[:]
            for source in node.input:
                waits = once and source[0] == "^"
                turns = order.turns(node.name, count) if waits else [at]
                made.input.extend(dict.fromkeys(_source(turn, source, shared) for turn in turns))
            if at and not inputs.isdisjoint(_read_by(node)):
                made.input.extend(f"^{_name(at - 1, gate)}" for gate in sorted(order.gates))
    return beside, shared


def _of_weights(held: Iterable[str], graph) -> set[str]:
    """Return the names of weights and constants, and of nodes that read nothing else."""
    reads = {node.name: _read_by(node) for node in graph.node}
    first = {node.name for node in graph.node if node.op == "Const"} | set(held)
    return _closed(first, lambda name, found: found.issuperset(reads[name] or [name]), reads)


def _closed(first: set[str], belongs: Callable[[str, set[str]], bool], names) -> set[str]:
    """Return `first` and each of `names` that belongs to those that are found already."""
    found = set(first)
    while more := {name for name in names if name not in found and belongs(name, found)}:
        found |= more
    return found


def _read_by(node) -> list[str]:
    """The nodes whose values a node reads."""
    return [producer(source) for source in node.input if source[0] != "^"]


def _name(at: int, name: str) -> str:
    return f"beside{at}/{name}"


def _source(at: int, source: str, shared: set[str]) -> str:
    """Return an input of a node as copy number `at` calls it."""
    name = producer(source)
    return source if name in shared else source.replace(name, _name(at, name), 1)
