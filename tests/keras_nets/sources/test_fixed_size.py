"""A model of pictures of any size is fixed to one, with its own weights, and so on another day."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nets import sources
from keras_nets.errors import SourceError
from keras_nets.sources.filling import prepare_source, rebuild_source
from keras_nets.sources.fixed_size import in_size
from keras_nets.sources.source import Loaded, ModelSource


def net(sides=(None, None)):
    image = keras.Input((*sides, 3), name="photo")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(image, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)), name="any_size")


def loaded(model) -> Loaded:
    return Loaded(model, ModelSource(kind="keras-file", source="any.keras"))


def test_sides_that_are_free_are_fixed_and_weights_stay():
    model = net()
    made = in_size(loaded(model), (16, 24))
    assert made.model.inputs[0].shape == (None, 16, 24, 3)
    assert (made.model.name, made.model.inputs[0].name) == ("any_size", "photo")
    assert made.source.size == (16, 24) and made.source.as_dict()["size"] == [16, 24]
    picture = np.random.default_rng(0).normal(size=(2, 16, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(made.model(picture), model(picture))
    assert in_size(made, (16, 24)).model is made.model
    assert in_size(loaded(model), None).model is model


def two_inputs():
    pair = [keras.Input((None, None, 3)), keras.Input((2,))]
    return keras.Model(pair, layers.Dense(2)(pair[1]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: net((8, 8)), r"takes pictures \(8, 8, 3\), and --image-size fixes only sides"),
        (two_inputs, "--image-size is for models of one picture"),
        (
            lambda: keras.Sequential([keras.Input((None,)), layers.Embedding(4, 2)]),
            "is for models of one picture",
        ),
    ],
)
def test_what_has_no_free_sides_is_one_line(model, message):
    with pytest.raises(SourceError, match=message) as caught:
        in_size(loaded(model()), (16, 16))
    assert "\n" not in str(caught.value)


def test_a_size_that_layers_cannot_take_is_one_line():
    with pytest.raises(SourceError, match="cannot be built for pictures of 2x2"):
        in_size(loaded(net()), (2, 2))


def test_a_report_builds_the_same_model_again(tmp_path):
    path = tmp_path / "any.keras"
    net().save(path)
    prepared = prepare_source(str(path), size=(16, 24))
    source = ModelSource.of(prepared.model_source.as_dict())
    again = rebuild_source(source, prepared.source)
    assert again.model.inputs[0].shape == (None, 16, 24, 3)
    assert sources.load(str(path)).model.inputs[0].shape == (None, None, None, 3)


@pytest.mark.parametrize("size", [[16], [0, 16], "16x16", [16.0, 16], {"a": 1}, [1 << 20, 1]])
def test_a_report_with_a_size_that_is_none_is_damaged(size):
    content = {"kind": "keras-file", "source": "a.keras", "sha256": "", "size": size}
    with pytest.raises(SourceError, match="damaged"):
        ModelSource.of(content)
