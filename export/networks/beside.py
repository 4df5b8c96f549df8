"""Run batches beside each other, each through its own copy of a network, on the same weights.

What a graph makes of weights alone, such as a kernel in another order, is made once for all copies
and held for as long as they need it: a copy of the largest kernel for each batch would take longer
than the batch itself. Where weights are small, batches run one after the other.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from export.contract import Batch
from export.networks.tensorflow import TensorFlowNetwork, register
from export.skeleton.graph import producer

AT_ONCE = 4  # batches, because each holds its own activations
HEAVY = 1 << 26  # bytes of weights, below which activations are what takes memory


def run_beside(
    network: TensorFlowNetwork, graph, batches: Sequence[Batch], tensors: Sequence[Sequence[str]]
) -> list[list[np.ndarray]]:
    """Return of each batch the values of its `tensors`; `graph` is the network's, maybe changed."""
    register(graph.library)
    heavy = sum(4 * math.prod(value.shape) for value in network.values.values()) > HEAVY
    step, made = AT_ONCE if heavy else 1, []

    @cache
    def function(wanted: tuple):
        return _function(network, graph, wanted)

    for start in range(0, len(batches), step):
        part = slice(start, start + step)
        made += function(tuple(map(tuple, tensors[part])))(batches[part])
    return made


def _function(network, graph, tensors: tuple):
    """Return a function from as many batches as there are in `tensors` to the values of these."""
    beside, shared = _copies(network, graph, len(tensors))
    read = network.read_inputs()
    holders = [f"{name}:0" for name in network.values]
    givens = [
        f"{_name(at, producer(end))}:0" for at in range(len(tensors)) for end in read.values()
    ]
    ports = [
        _source(at, name, shared) if ":" in name else f"{_source(at, name, shared)}:0"
        for at, names in enumerate(tensors)
        for name in names
    ]

    @tf.function(autograph=False)
    def run(given, fed):
        inputs = dict(zip([*givens, *holders], [*given, *fed], strict=True))
        return tf.graph_util.import_graph_def(
            beside, input_map=inputs, return_elements=ports, name=""
        )

    def values(batches: Sequence[Batch]) -> list[list[np.ndarray]]:
        given = [tf.constant(batch[name]) for batch in batches for name in read]
        found = iter(run(given, list(network.values.values())))
        return [[next(found).numpy() for _ in names] for names in tensors]

    return values


def _copies(network, graph, count: int):
    """Return `graph` with a copy of each node for each batch, and the names of nodes without."""
    shared = _of_weights(network, graph)
    beside = type(graph)(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.op == "Placeholder":  # it would stay unfed if it were imported
            continue
        for at in range(1 if node.name in shared else count):
            made = beside.node.add()
            made.CopyFrom(node)
            made.attr.pop("_class", None)  # it names other nodes
            if node.name not in shared:
                made.name = _name(at, node.name)
            del made.input[:]
            for source in node.input:
                # What is shared waits for all copies, if it has to wait for one.
                turns = range(count) if node.name in shared and source[0] == "^" else [at]
                made.input.extend(dict.fromkeys(_source(turn, source, shared) for turn in turns))
    return beside, shared


def _of_weights(network, graph) -> set[str]:
    """Return the names of weights and constants, and of nodes that read nothing else."""
    nodes = {node.name: node for node in graph.node}
    found = {name for name, node in nodes.items() if node.op == "Const"} | set(network.values)
    while more := {
        name
        for name, node in nodes.items()
        if name not in found and _reads_only(found, [s for s in node.input if s[0] != "^"])
    }:
        found |= more
    return found


def _reads_only(found: set[str], sources: list[str]) -> bool:
    return bool(sources) and found.issuperset(map(producer, sources))


def _name(at: int, name: str) -> str:
    return f"beside{at}/{name}"


def _source(at: int, source: str, shared: set[str]) -> str:
    """Return an input of a node as copy number `at` calls it."""
    name = producer(source)
    return source if name in shared else source.replace(name, _name(at, name), 1)
