"""The Keras model itself, run layer by layer."""

import tempfile
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.contract import Contract, Tensor
from export.errors import ExportError
from export.observe import layers as observing
from export.observe.base import Layer
from export.observe.layers import run_model
from keras_nets.weights.seeded import seed_weights

KEPT = {
    "DepthwiseConv2D": lambda **rest: layers.DepthwiseConv2D(3, depth_multiplier=2, **rest),
    "SeparableConv2D": lambda **rest: layers.SeparableConv2D(5, 3, **rest),
}


def fails(*_, **__):
    """What TensorFlow says of a kernel that it lacks, as Keras hands it on."""
    raise tf.errors.UnimplementedError(
        None,
        None,
        "Exception encountered when calling X.call().\n\n{{function_node __wrapped__X}} only equal "
        "strides [Op:X]\n\nArguments received by X.call():",
    )


def run(layer, monkeypatch):
    inputs = keras.Input((9, 8, 3))
    model = seed_weights(keras.Model(inputs, layers.Flatten()(layer(inputs))))
    image = Tensor("image", "float32", ("batch", 9, 8, 3))
    contract = Contract((image,), (Tensor("made", "float32", ("batch", *model.output_shape[1:])),))
    values = np.random.default_rng(0).normal(size=(3, 9, 8, 3)).astype(np.float32)
    monkeypatch.setattr(type(layer), "__call__", fails)
    return layer, values, run_model(model, contract, {"image": values})[0]["made"]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", KEPT)
def test_unequal_strides_are_run_in_groups_where_only_onednn_has_a_kernel(
    name, padding, monkeypatch
):
    layer = KEPT[name](strides=(2, 1), padding=padding, activation="relu")
    layer, values, made = run(layer, monkeypatch)
    if padding == "valid":  # every second row of what equal strides give
        layer.strides = (1, 1)
        wanted = layer.call(tf.constant(values))[:, ::2]
    else:  # 9 rows by 2 reach beyond the last by one on either side
        layer.strides, layer.padding = (1, 1), "valid"
        padded = np.pad(values, [(0, 0), (1, 1), (1, 1), (0, 0)])
        wanted = layer.call(tf.constant(padded))[:, ::2]
    np.testing.assert_allclose(made, np.reshape(wanted, (3, -1)), atol=1e-5)


def test_a_layer_that_has_no_kernel_is_named_in_tensorflow_s_own_words(monkeypatch):
    with pytest.raises(ExportError) as raised:
        run(layers.Conv2D(4, 3, name="first"), monkeypatch)
    assert str(raised.value) == (
        "layer first does not run in TensorFlow on this machine: only equal strides"
    )
    assert observing._own_words("no kernel") == "no kernel"
    function = """Exception encountered when calling SavedModelLayer.call().

Graph execution error:

Detected at node conv/BiasAdd defined at (most recent call last):
<stack traces unavailable>
Fused conv does not support groups.
\t [[{{node conv/BiasAdd}}]] [Op:__inference__import_176]

Arguments received by SavedModelLayer.call():"""
    assert observing._own_words(function) == "Fused conv does not support groups."


def seen(*values) -> tuple[Layer, ...]:
    """The layers, named by their numbers, of a network that gives `values`, one after the other."""
    seen = observing._Seen()
    for number, value in enumerate(values):
        seen.take_down(str(number), value, in_first=True)
    return seen.layers()


def test_much_of_what_layers_gave_is_put_into_files_and_stays_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(observing, "MUCH", 80)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    values = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    taken = seen(values, values.T, values[:, :1], np.float16(values) + 1)
    assert [type(layer.first) for layer in taken] == [np.memmap, np.memmap, np.ndarray, np.ndarray]
    assert np.array_equal(taken[0].first, values[:1])
    assert np.array_equal(taken[1].first, values.T[:1])
    assert taken[3].first.dtype == np.float32
    assert list(tmp_path.iterdir()) == [], "a file has no name"


def test_a_file_of_many_layers_is_open_once(monkeypatch):
    """A process may have a thousand files open, and some networks have as many layers."""
    monkeypatch.setattr(observing, "MUCH", 10 * 16 - 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    taken = seen(*np.ones((10, 2, 4), np.float32))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    assert all(type(layer.first) is np.memmap for layer in taken)


def test_a_layer_that_runs_twice_has_no_first_sample_also_where_that_was_in_a_file(monkeypatch):
    monkeypatch.setattr(observing, "MUCH", 0)
    seen = observing._Seen()
    for value in (1.0, -3.0):
        seen.take_down("shared", np.full((2, 4), value, np.float32), in_first=True)
    assert seen.layers() == (Layer("shared", 3.0),)
    assert seen.layers()[0].first is None


def test_what_no_disk_takes_stays_in_memory_and_is_offered_once(monkeypatch):
    monkeypatch.setattr(observing, "MUCH", 0)
    full = mock.Mock(side_effect=OSError("full"))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    taken = seen(*np.ones((3, 2, 4), np.float32))
    assert [type(layer.first) for layer in taken] == [np.ndarray] * 3
    full.assert_called_once_with()
