"""Differences that are found while a graph runs are those that numpy finds afterwards."""

import numpy as np
import pytest
import tensorflow as tf

from export.networks.beside import run_beside
from export.networks.differences import moves, with_differences
from export.networks.noise import _shuffled, skeleton_network
from export.observe.probes import inputs


@pytest.fixture(scope="module")
def network(skeleton):
    return skeleton_network(skeleton("plain"))


@pytest.fixture(scope="module")
def batch(skeleton):
    return {name: values[:2] for name, values in inputs(skeleton("plain"), 0).items()}


def spread(values) -> float:
    return float(np.std(np.asarray(values), dtype=np.float64))


def found(network, graph, batch, tensors, known):
    graph, fetched, fed = with_differences(graph, tensors, known)
    (values,) = run_beside(network, graph, [batch], [fetched], fed)
    return moves(values, [spread(one) for one in known])


def test_they_are_the_same_to_the_last_bit(network, batch):
    tensors = network.tensors()
    known = network.function(tensors)(batch)
    changed = _shuffled(network, 0)
    (others,) = run_beside(network, changed, [batch], [tensors])
    wanted = []
    for own, other in zip(known, others, strict=True):
        wanted.append(float(np.abs(own - other).max()) / (spread(own) or 1.0))
    got = found(network, changed, batch, tensors, known)
    assert got == wanted and max(wanted) > 0


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_has_moved_without_end(network, batch, strange):
    tensors = network.tensors()[:2]
    known = list(network.function(tensors)(batch))
    values = np.array(known[1])
    values.flat[3] = strange
    known[1] = tf.constant(values)
    first, second = found(network, network.graph, batch, tensors, known)
    assert first == 0 and second == float("inf")
