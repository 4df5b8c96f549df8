"""Differences that are found while a graph runs are those that numpy finds afterwards."""

import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from export.networks import known as knowing
from export.networks.beside import NOTHING, Beside
from export.networks.differences import moves, with_differences
from export.networks.known import kept
from export.networks.noise import _orders, _shuffled, skeleton_network
from export.observe.probes import inputs


@pytest.fixture(scope="module")
def network(skeleton):
    return skeleton_network(skeleton("plain"))


@pytest.fixture(scope="module")
def batch(skeleton):
    return {name: values[:2] for name, values in inputs(skeleton("plain"), 0).items()}


def spread(values) -> float:
    return float(np.std(np.asarray(values), dtype=np.float64))


def found(network, graph, batch, tensors, values, orders=NOTHING):
    with kept(list(values)) as known:
        graph, fetched, fed = with_differences(graph, tensors, known)
        (values,) = Beside(network, graph).run([batch], [fetched], {**fed, **orders})
    return moves(values, known)


def wanted(own, others) -> list[float]:
    """What numpy finds."""
    pairs = zip(own, others, strict=True)
    return [float(np.abs(one - other).max()) / (spread(one) or 1.0) for one, other in pairs]


@pytest.mark.parametrize("much", [0, knowing.MUCH])
def test_they_are_the_same_to_the_last_bit_from_memory_and_from_files(
    network, batch, much, monkeypatch, tmp_path
):
    monkeypatch.setattr(knowing, "MUCH", much)
    monkeypatch.setattr(knowing, "LARGE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tensors = network.tensors()
    own = network.function(tensors)(batch)
    changed, channels = _shuffled(network)
    orders = _orders(channels, 0)
    (others,) = Beside(network, changed).run([batch], [tensors], orders)
    got = found(network, changed, batch, tensors, own, orders)
    assert got == wanted(own, others) and max(got) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", ["none", "none left", "no numbers of files", "too many"])
def test_what_finds_no_room_stays_in_memory(room, network, batch, monkeypatch, tmp_path):
    monkeypatch.setattr(knowing, "MUCH", 0)
    monkeypatch.setattr(knowing, "LARGE", 0)
    if room == "none":
        monkeypatch.setattr(tempfile, "TemporaryFile", mock.Mock(side_effect=OSError))
    elif room == "none left":
        monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "wb"))
    elif room == "too many":
        monkeypatch.setattr(knowing, "MOST", 0)
    else:
        monkeypatch.setattr(knowing, "OPEN", tmp_path / "nowhere")
    values = [*network.function(network.tensors()[:2])(batch)]
    own = list(values)
    with kept(values) as known:
        assert all(one.value is tensor for one, tensor in zip(known, own, strict=True))
        assert values == [], "nothing else holds what lies in files"


def test_files_have_no_names(monkeypatch, tmp_path):
    """However the process ends, half a gigabyte is not left behind."""
    monkeypatch.setattr(knowing, "MUCH", 0)
    monkeypatch.setattr(knowing, "LARGE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with kept([tf.constant([1.0, 4.0])]) as (own,):
        assert list(tmp_path.iterdir()) == []
        assert own.path.exists()
    assert not own.path.exists()


def test_what_is_known_of_other_numbers_than_float32_is_in_memory(monkeypatch):
    monkeypatch.setattr(knowing, "MUCH", 0)
    monkeypatch.setattr(knowing, "LARGE", 0)
    halves, floats = tf.constant([1, 2], tf.float16), tf.constant([1.0, 4.0])
    with kept([halves, floats]) as (first, second):
        assert first.value is halves and second.value is None
        assert np.fromfile(second.path, np.float32).tolist() == [1, 4]
        assert (first.spread, second.spread) == (0.5, 1.5)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_has_moved_without_end(network, batch, strange):
    tensors = network.tensors()[:2]
    own = list(network.function(tensors)(batch))
    values = np.array(own[1])
    values.flat[3] = strange
    own[1] = tf.constant(values)
    first, second = found(network, network.graph, batch, tensors, own)
    assert first == 0 and second == float("inf")
