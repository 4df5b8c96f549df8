"""What the Keras model itself says."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from export.contract import FREE
from export.observe.model import observe_model
from export.observe.probes import inputs as given
from export.observe.probes import probes
from export.skeleton.pour import digest
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights


@pytest.fixture(scope="module")
def reference(toy, skeleton):
    return observe_model(toy("plain"), skeleton("plain"), {"image": probes((32, 32, 3))})


def test_logits_are_those_of_keras_and_spread(toy, reference):
    wanted = np.asarray(toy("plain")(reference.inputs["image"], training=False))
    np.testing.assert_allclose(reference.outputs["logits"], wanted, atol=1e-5)
    assert 0.1 < reference.outputs["logits"].std() < 10
    assert (
        reference.outputs["logits"].std(axis=0).mean() > 0.1 * reference.outputs["logits"].std()
    ), "differ by image"


def test_weights_are_told_by_the_hash_of_their_folded_values(skeleton, reference):
    for found, weight in zip(reference.weights, skeleton("plain").weights, strict=True):
        assert (found.name, found.shape) == (weight.name, weight.shape)
        assert found.sha256 == digest(weight.read())
    assert len({found.sha256 for found in reference.weights}) == len(reference.weights)


def test_parameters_are_counted_as_keras_counts_them(toy, reference):
    model = toy("plain")
    sizes = {v.path: v.value.shape.num_elements() for v in model.trainable_variables}
    assert reference.totals.trainable == sum(sizes.values())
    assert reference.totals.total == model.count_params()
    biases = sum(size for path, size in sizes.items() if path.endswith("/bias"))
    assert reference.totals.page == reference.totals.trainable - biases


def test_the_largest_activation_of_every_layer_is_taken_over_all_images(toy, reference):
    model = toy("plain")
    inner = keras.Model(model.inputs, model.get_layer("conv2").output)
    wanted = np.abs(np.asarray(inner(reference.inputs["image"]))).max()
    largest = {layer.name: layer.largest for layer in reference.layers}
    assert largest["conv2"] == pytest.approx(wanted, rel=1e-5)
    assert set(largest) >= {"conv1", "norm1", "add", "logits"}


def dense_model(kernel, bias=0.0):
    inputs = keras.Input((4, 4, 3), name="image")
    model = keras.Model(
        inputs, layers.Dense(5, name="logits")(layers.Flatten(name="flatten")(inputs)), name="dense"
    )
    model.get_layer("logits").set_weights([np.full((48, 5), kernel), np.full(5, bias)])
    return model


def observed(model):
    return observe_model(model, trace(model), {"image": probes((4, 4, 3))})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_a_number_counts_as_infinite(broken):
    seen = observed(dense_model(broken))
    assert {layer.name: layer.largest for layer in seen.layers}["logits"] == math.inf
    assert seen.float16[0].largest == math.inf


class Flip(layers.Layer):
    """Trains unless it is told not to, as Keras' own augmentations do."""

    def call(self, image, training=True):
        return -image if training else image


def test_the_model_is_observed_at_inference():
    inputs = keras.Input((4, 4, 3), name="image")
    x = layers.Dropout(0.5, name="drop")(Flip(name="flip")(inputs), training=True)
    x = layers.Dense(5, name="logits")(layers.Flatten(name="flatten")(x))
    model = seed_weights(keras.Model(inputs, x, name="augmented"))
    seen = observed(model)
    np.testing.assert_allclose(
        seen.outputs["logits"], model(seen.inputs["image"], training=False), atol=1e-6
    )


def test_a_model_of_one_length_says_why_no_other_was_compared():
    inputs = keras.Input((None, 2), name="sound")
    x = layers.Dense(5, name="made")(layers.Reshape((2 * FREE,), name="flat")(inputs))
    model = seed_weights(keras.Model(inputs, x))
    skeleton = trace(model)
    seen = observe_model(model, skeleton, given(skeleton, 0))
    (warning,) = [one for one in seen.warnings if one.startswith("compared at one length")]
    assert "because the model takes no other that was tried (" in warning
    assert "reshape" in warning.casefold() and "\n" not in warning


def test_the_layers_of_a_sequential_model_are_seen():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.Sequential([layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")]),
            layers.Flatten(name="flatten"),
            layers.Dense(5, name="logits"),
        ]
    )
    seen = observed(seed_weights(model))
    assert [layer.name for layer in seen.layers] == ["conv", "relu", "flatten", "logits"]


def test_constants_of_the_model_are_told_from_its_weights():
    inputs = keras.Input((4, 4, 3), name="image")
    x = layers.Rescaling([1.0, 2.0, 4.0], name="rescale")(inputs)
    x = layers.Dense(5, name="logits")(layers.Flatten(name="flatten")(x))
    seen = observed(seed_weights(keras.Model(inputs, x, name="rescaled")))
    assert digest(np.float32([1, 2, 4])) in seen.constants
    assert not seen.constants & {weight.sha256 for weight in seen.weights}
