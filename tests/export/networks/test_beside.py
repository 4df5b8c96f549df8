"""Batches beside each other: what each gives alone, and what is made of weights once for all."""

import math

import numpy as np
import pytest

from export.contract import part
from export.networks.beside import AT_ONCE, _copies, run_beside
from export.networks.noise import _shuffled, halved, skeleton_network
from export.observe.probes import inputs


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "subclassed"])
@pytest.mark.parametrize("heavy", [0, 1 << 13, 1 << 40])
def test_each_batch_gives_what_it_gives_alone_to_the_last_bit(skeleton, name, heavy, monkeypatch):
    monkeypatch.setattr("export.networks.beside.HEAVY", heavy)
    network, given = skeleton_network(skeleton(name)), inputs(skeleton(name), 0)
    batches = [part(given, slice(at, at + 1)) for at in range(AT_ONCE + 1)]
    outputs = list(network.outputs.values())
    for graph in (network.graph, _shuffled(network, 0), halved(network)):
        run = network.function(outputs, graph)
        made = run_beside(network, graph, batches, [outputs] * len(batches))
        for batch, beside in zip(batches, made, strict=True):
            for alone, other in zip(run(batch), beside, strict=True):
                np.testing.assert_array_equal(alone.numpy(), other)


@pytest.fixture
def imported(monkeypatch) -> list:
    """The graphs that are imported from now on."""
    from tensorflow import graph_util

    graphs, real = [], graph_util.import_graph_def

    def importing(graph, **options):
        graphs.append(graph)
        return real(graph, **options)

    monkeypatch.setattr(graph_util, "import_graph_def", importing)
    return graphs


def test_a_kernel_is_shuffled_once_for_all_batches(skeleton, imported, monkeypatch):
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    graph = _shuffled(network, 0)
    monkeypatch.setattr("export.networks.beside.HEAVY", 0)
    imported.clear()
    outputs = list(network.outputs.values())
    run_beside(network, graph, [part(given, slice(at, at + 1)) for at in range(3)], [outputs] * 3)
    (beside,) = imported
    kernels = sum(node.name.endswith("/shuffled1") for node in graph.node)
    assert sum(node.name.endswith("/shuffled1") for node in beside.node) == kernels > 0
    assert sum(node.name.endswith("/shuffled0") for node in beside.node) == 3 * kernels


def test_small_kernels_are_shuffled_for_each_batch_however_many_they_are(
    skeleton, imported, monkeypatch
):
    network, given = skeleton_network(skeleton("plain")), inputs(skeleton("plain"), 0)
    graph, sizes = _shuffled(network, 0), [math.prod(v.shape) for v in network.values.values()]
    monkeypatch.setattr("export.networks.beside.HEAVY", 4 * max(sizes))
    imported.clear()
    outputs = list(network.outputs.values())
    run_beside(network, graph, [part(given, slice(at, at + 1)) for at in range(3)], [outputs] * 3)
    (alone,) = imported
    assert not any(node.name.startswith("beside1/") for node in alone.node)


def test_a_copy_begins_when_the_one_before_it_has_come_to_the_large_kernel(skeleton, monkeypatch):
    """The first layers have the activations, and the large kernel is applied by all in a row."""
    monkeypatch.setattr("export.networks.beside.HEAVY", 1 << 13)  # bytes: fc4's kernel has 12 KB
    network = skeleton_network(skeleton("plain"))
    made, _ = _copies(network, _shuffled(network, 0), 2)
    waits = {
        node.name: [source for source in node.input if source.startswith("^")] for node in made.node
    }
    begins = [name for name, found in waits.items() if "^beside0/fc4/MatMul/shuffled0" in found]
    assert sorted(begins) == ["beside1/pad1/Pad", "fc4/MatMul/shuffled1"]
    assert waits["fc4/MatMul/shuffled1"] == [f"^beside{k}/fc4/MatMul/shuffled0" for k in range(2)]
    assert waits["conv3/Conv2D/shuffled1"] == ["^beside0/conv3/Conv2D/shuffled0"]
