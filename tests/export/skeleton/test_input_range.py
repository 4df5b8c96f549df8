"""The range of numbers that a model undoes, and probes in it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from export.observe.model import observe_model
from export.observe.probes import inputs, probes
from export.skeleton.input_range import input_range
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

IMAGE = (16, 16, 3)
MEAN, VARIANCE = [123.0, 117.0, 104.0], [58.0**2, 57.0**2, 57.5**2]


def model(*first, last=()):
    x = image = keras.Input(IMAGE, name="pixels")
    for step in first:
        x = step(x)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    for step in last:
        x = step(x)
    x = layers.Flatten(name="flatten")(x)
    return seed_weights(keras.Model(image, layers.Dense(5, name="logits")(x), name="ranged"), 1)


def nested():
    entry = keras.Input(IMAGE)
    x = layers.Rescaling(1 / 255, name="scale")(layers.RandomFlip(name="flip")(entry))
    return keras.Model(entry, x, name="preprocessing")


PIXELS = {
    "0..1": [layers.Rescaling(1 / 255)],
    "-1..1": [layers.Rescaling(1 / 127.5, offset=-1)],
    "EfficientNet": [
        layers.Rescaling(1 / 255),
        layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.05, 0.05, 0.05]),
        layers.Rescaling([2.0, 2.1, 2.2]),
    ],
    "within a model": [nested()],
    "in a Sequential": [keras.Sequential([layers.Dropout(0.5), layers.Rescaling(1 / 255)])],
    "arithmetic": [lambda x: x / 127.5 - 1],
    "keras.ops": [lambda x: ops.subtract(ops.multiply(x, 1 / 255), 0.5)],
    "whole numbers": [lambda x: ops.cast(x, "uint8"), lambda x: ops.cast(x, "float32")],
}


@pytest.mark.parametrize("kind", PIXELS)
def test_a_model_that_undoes_pixels_is_probed_with_pixels(kind):
    made = model(*PIXELS[kind])
    found = input_range(made, IMAGE)
    assert found.pixels and not found.unknown
    images = found.images(probes(IMAGE))
    assert images.dtype == np.float32
    assert 0 <= images.min() < 50 and 200 < images.max() <= 255
    assert 30 < images.std() < 70
    assert (images == np.rint(images)).all() == (kind == "whole numbers")


def test_other_statistics_are_undone_too():
    made = model(layers.Normalization(mean=MEAN, variance=VARIANCE))
    images = input_range(made, IMAGE).images(probes(IMAGE))
    wanted = probes(IMAGE) * np.sqrt(VARIANCE) + MEAN
    np.testing.assert_allclose(images, wanted, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("first", [[], [layers.Dropout(0.5)], [layers.ZeroPadding2D(1)]])
def test_a_model_that_rescales_nothing_is_probed_around_zero(first):
    found = input_range(model(*first), IMAGE)
    np.testing.assert_array_equal(found.images(probes(IMAGE)), probes(IMAGE))


def test_a_factor_of_zero_undoes_nothing():
    found = input_range(model(layers.Rescaling(0.0, offset=1.0)), IMAGE)
    np.testing.assert_array_equal(found.images(probes(IMAGE)), probes(IMAGE))


def test_what_is_rescaled_further_on_is_a_warning():
    made = model(layers.ZeroPadding2D(1), layers.Rescaling(1 / 255, name="late"))
    traced = trace(made)
    assert traced.takes.unknown == ("late",)
    seen = observe_model(made, traced, {"pixels": probes(IMAGE)})
    assert any(text.startswith("late rescales what it is given") for text in seen.warnings)


def test_images_that_are_all_of_one_class_are_a_warning():
    made = model()
    made.get_layer("logits").bias.assign([100, 0, 0, 0, 0])
    seen = observe_model(made, trace(made), {"pixels": probes(IMAGE)})
    assert any("all 8 images compared for one class" in text for text in seen.warnings)
    made.get_layer("logits").bias.assign(np.zeros(5))
    assert observe_model(made, trace(made), {"pixels": probes(IMAGE)}).warnings == ()


def test_an_overflow_on_pixels_is_seen():
    made = model(layers.Rescaling(1 / 255), lambda x: x * 4e5)
    traced = trace(made)
    seen = observe_model(made, traced, inputs(traced, 0))
    assert max(layer.largest for layer in seen.layers) > 65504
