"""Products by large kernels, made in parts: the same numbers, and no copy of a kernel."""

import numpy as np
import pytest

from export.contract import part
from export.networks import moving, parts
from export.networks.beside import Beside
from export.networks.noise import (
    KERNELS,
    _orders,
    _quantised,
    _shuffled,
    _spans,
    _with_extremes,
    halved,
    measure_noise,
    skeleton_network,
)
from export.networks.parts import in_parts
from export.observe.probes import inputs
from export.skeleton.graph import producer

WIDTH = 3  # output channels in a part; fc4 of the toy has 16 and 192 rows


@pytest.fixture
def small(monkeypatch):
    """Kernels of the toys count as large."""
    monkeypatch.setattr(parts, "LARGE", 1 << 10)
    monkeypatch.setattr(parts, "PART", 4 * 192 * WIDTH)


@pytest.fixture
def network(skeleton):
    return skeleton_network(skeleton("plain"))


def quantised(network, given):
    kernels = [node for node in network.graph.node if node.op in KERNELS]
    graph, extremes = _with_extremes(network, kernels)
    spans = _spans(kernels, network.function(extremes, graph)(given))
    return _quantised(network, spans), {}


def shuffled(network, _given=None):
    graph, channels = _shuffled(network)
    return graph, _orders(channels, 0)


# A changed graph, and what is fed to it.
CHANGED = {
    "shuffled": shuffled,
    "halved": lambda network, _: (halved(network), {}),
    "quantised": quantised,
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_product_in_parts_is_the_product(network, skeleton, small, change):
    given = inputs(skeleton("plain"), 0)
    (graph, fed), outputs = change(network, given), list(network.outputs.values())
    divided = in_parts(network, graph)
    assert len(divided.node) > len(graph.node)
    whole, (beside,) = (
        network.function(outputs, graph, {**network.values, **fed})(given),
        Beside(network, divided).run([given], [outputs], fed),
    )
    for one, other in zip(whole, beside, strict=True):
        np.testing.assert_allclose(other, one.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_nothing_is_made_of_a_large_kernel_as_a_whole(network, skeleton, small, change):
    graph = in_parts(network, change(network, inputs(skeleton("plain"), 0))[0])
    large = {
        name for name, value in network.values.items() if np.prod(value.shape) * 4 > parts.LARGE
    }
    dense = {holder for holder in large if len(network.values[holder].shape) == 2}
    readers = {node.op for node in graph.node if dense & set(map(producer, node.input))}
    assert dense and readers == {"Slice"}


def test_a_part_waits_for_the_one_before_it(network, skeleton, small):
    graph = in_parts(network, shuffled(network)[0])
    nodes = {node.name: node for node in graph.node}
    (joined,) = (node for node in graph.node if node.op == "ConcatV2" and "fc4" in node.name)
    products = [nodes[name] for name in joined.input[:-1]]
    assert len(products) == -(-16 // WIDTH)
    for before, product in zip(products, products[1:], strict=False):
        gathered = nodes[producer(product.input[1])]
        assert f"^{before.name}" in nodes[gathered.input[0]].input


def test_small_kernels_and_kernels_as_they_are_stay_whole(network):
    graph, _ = shuffled(network)
    assert in_parts(network, graph) == graph
    assert in_parts(network, network.graph) == network.graph


def test_noise_in_parts_is_the_noise(toy, skeleton, monkeypatch):
    given = part(inputs(skeleton("plain"), 0), slice(4))
    layers = [layer.name for layer in toy("plain").layers]
    whole = measure_noise(skeleton("plain"), given, layers)
    monkeypatch.setattr(parts, "LARGE", 1 << 10)
    monkeypatch.setattr(parts, "PART", 4 * 192 * WIDTH)
    monkeypatch.setattr(moving, "in_parts", seen := Counted(in_parts))
    divided = measure_noise(skeleton("plain"), given, layers)
    assert seen.divided == 1 + 1 + 1, "a shuffle, and two kinds of rounding"
    assert (divided.fp16, divided.int8) == pytest.approx((whole.fp16, whole.int8), rel=1e-3)
    assert whole.fp32 / 2 < divided.fp32 < whole.fp32 * 2


class Counted:
    """`in_parts`, and how many graphs it has divided."""

    def __init__(self, real):
        self.real, self.divided = real, 0

    def __call__(self, network, graph):
        made = self.real(network, graph)
        self.divided += len(made.node) > len(graph.node)
        return made
