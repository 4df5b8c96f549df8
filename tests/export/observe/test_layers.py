"""The Keras model itself, run layer by layer."""

import tempfile
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


def layers_of(*values) -> tuple[Layer, ...]:
    return tuple(Layer(str(number), 1.0, first) for number, first in enumerate(values))


def test_much_of_what_layers_gave_is_put_into_a_file_and_stays_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(observing, "MUCH", 40)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    values = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    aside = observing.put_aside(layers_of(values, None, values.T[1:]))
    assert [type(layer.first) for layer in aside] == [np.memmap, type(None), np.memmap]
    assert np.array_equal(aside[0].first, values)
    assert np.array_equal(aside[2].first, values.T[1:])
    assert list(tmp_path.iterdir()) == [], "the file has no name"


def test_little_stays_where_it_is_and_so_does_what_no_disk_takes(monkeypatch):
    given = layers_of(np.ones(5, np.float32))
    assert observing.put_aside(given) is given
    monkeypatch.setattr(observing, "MUCH", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", mock.Mock(side_effect=OSError("full")))
    assert observing.put_aside(given) is given
