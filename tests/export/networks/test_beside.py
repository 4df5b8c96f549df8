"""Batches beside each other: what each gives alone, and what is made of weights once for all."""

import math

import numpy as np
import pytest

from export.contract import part
from export.networks.beside import AT_ONCE, Beside, _copies
from export.networks.graph_function import GraphFunction
from export.networks.noise import _orders, _shuffled, halved, skeleton_network
from export.observe.probes import inputs
from export.skeleton.graph import producer


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "subclassed"])
@pytest.mark.parametrize("heavy", [0, 1 << 13, 1 << 40])
def test_each_batch_gives_what_it_gives_alone_to_the_last_bit(skeleton, name, heavy, monkeypatch):
    monkeypatch.setattr("export.networks.beside.HEAVY", heavy)
    network, given = skeleton_network(skeleton(name)), inputs(skeleton(name), 0)
    batches = [part(given, slice(at, at + 1)) for at in range(AT_ONCE + 1)]
    outputs = list(network.outputs.values())
    shuffled, channels = _shuffled(network)
    orders = _orders(channels, 0)
    for graph, fed in ((network.graph, {}), (shuffled, orders), (halved(network), {})):
        run = network.function(outputs, graph, {**network.values, **fed})
        made = Beside(network, graph).run(batches, [outputs] * len(batches), fed)
        for batch, beside in zip(batches, made, strict=True):
            for alone, other in zip(run(batch), beside, strict=True):
                np.testing.assert_array_equal(alone.numpy(), other)


@pytest.fixture
def built(monkeypatch) -> list:
    """The graphs that functions are built of from now on."""
    graphs = []

    def building(graph, *ends):
        graphs.append(graph)
        return GraphFunction(graph, *ends)

    monkeypatch.setattr("export.networks.beside.GraphFunction", building)
    return graphs


def run_shuffled(network, given, seeds):
    """Run a network in an order of sums of each of `seeds` on three images apart."""
    graph, channels = _shuffled(network)
    beside, outputs = Beside(network, graph), list(network.outputs.values())
    batches = [part(given, slice(at, at + 1)) for at in range(3)]
    return graph, [
        beside.run(batches, [outputs] * 3, _orders(channels, seed))[0][0] for seed in seeds
    ]


def test_a_kernel_is_shuffled_once_for_all_batches(skeleton, built, monkeypatch):
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    monkeypatch.setattr("export.networks.beside.HEAVY", 0)
    graph, _ = run_shuffled(network, given, [0])
    (beside,) = built
    kernels = sum(node.name.endswith("/shuffled1") for node in graph.node)
    assert sum(node.name.endswith("/shuffled1") for node in beside.node) == kernels > 0
    assert sum(node.name.endswith("/shuffled0") for node in beside.node) == 3 * kernels


def test_small_kernels_are_shuffled_for_each_batch_however_many_they_are(
    skeleton, built, monkeypatch
):
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    sizes = [math.prod(v.shape) for v in network.values.values()]
    monkeypatch.setattr("export.networks.beside.HEAVY", 4 * max(sizes))
    run_shuffled(network, given, [0])
    (alone,) = built
    assert not any(node.name.startswith("beside1/") for node in alone.node)


def test_a_function_is_built_once_for_all_orders_of_sums(skeleton, built):
    """Building one takes as long as a run, or two."""
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    _, (first, second, again) = run_shuffled(network, given, [0, 1, 0])
    assert len(built) == 1
    np.testing.assert_array_equal(first, again)
    assert 0 < np.abs(first - second).max() < 1e-4


def test_what_is_fed_to_one_tensor_alone_is_not_asked_for_by_others(skeleton, built):
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    graph, channels = _shuffled(network)
    (first,) = (f"{name}:0" for name in list(channels)[:1])
    Beside(network, graph).run([given], [[first]], _orders(channels, 0))
    (alone,) = built
    kernels = [node.name for node in alone.node if node.name.endswith("/shuffled1")]
    assert kernels == [f"{producer(first)}/shuffled1"]


def test_a_copy_begins_when_the_one_before_it_has_come_to_the_large_kernel(skeleton, monkeypatch):
    """The first layers have the activations, and the large kernel is applied by all in a row."""
    monkeypatch.setattr("export.networks.beside.HEAVY", 1 << 13)  # bytes: fc4's kernel has 12 KB
    network = skeleton_network(skeleton("plain"))
    graph, channels = _shuffled(network)
    made, _ = _copies(network, graph, 2, _orders(channels, 0))
    waits = {
        node.name: [source for source in node.input if source.startswith("^")] for node in made.node
    }
    begins = [name for name, found in waits.items() if "^beside0/fc4/MatMul/shuffled0" in found]
    assert sorted(begins) == ["beside1/pad1/Pad", "fc4/MatMul/shuffled1"]
    assert waits["fc4/MatMul/shuffled1"] == [f"^beside{k}/fc4/MatMul/shuffled0" for k in range(2)]
    assert waits["conv3/Conv2D/shuffled1"] == ["^beside0/conv3/Conv2D/shuffled0"]
