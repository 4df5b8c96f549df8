"""A Keras 3 model as it is described for Keras 2."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from export.compression.twin import describe


def model_of(*behind):
    x = image = keras.Input((8, 8, 4))
    for layer in behind:
        x = layer(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(3, name="last")(x), name="own")


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested"])
def test_a_description_is_json_and_has_every_weight_once(toy, name):
    twin = describe(toy(name))
    assert json.loads(json.dumps(twin.description)) == twin.description
    held = twin.weights()
    wanted = [np.asarray(one) for one in toy(name).weights if "seed" not in one.path]
    assert sorted(value.shape for value in held.values()) == sorted(one.shape for one in wanted)
    assert sum(value.sum() for value in held.values()) == pytest.approx(sum(map(np.sum, wanted)))


def test_a_model_within_the_model_is_taken_apart(toy):
    twin = describe(toy("nested"))
    assert [call["layer"] for call in twin.description["calls"]] == [
        "conv1", "norm1", "relu1", "flatten", "logits_layer",
    ]  # fmt: skip
    assert twin.names["logits_layer"] == "logits"


def test_inputs_and_outputs_are_named_and_sized_as_in_the_contract():
    ids, flag = keras.Input((None,), dtype="int32", name="ids"), keras.Input((2,), name="flag")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(9, 3)(ids))
    made = {"sum": layers.Dense(2)(x), "flags": layers.Dense(1)(flag)}
    twin = describe(keras.Model({"ids": ids, "flag": flag}, made))
    assert sorted(twin.description["inputs"], key=lambda one: one["name"]) == [
        {"name": "flag", "dtype": "float32", "shape": [2]},
        {"name": "ids", "dtype": "int32", "shape": [None]},
    ]
    assert sorted(twin.description["outputs"]) == ["flags", "sum"]
    assert twin.contract.classifier is None


def test_a_layer_that_is_called_twice_is_described_once(toy):
    twin = describe(toy("shared"))
    named = [call["layer"] for call in twin.description["calls"]]
    assert named.count("shared2") == 2
    assert [one["name"] for one in twin.description["layers"]].count("shared2") == 1


def test_options_have_the_names_of_keras_2(toy):
    described = {
        one["name"]: one["options"] for one in describe(toy("plain")).description["layers"]
    }
    assert described["leaky1"] == {"alpha": 0.1}
    assert "kernel_initializer" not in described["conv1"]


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (layers.Lambda(lambda x: 2 * x, name="twice"), r"no twin there: twice \(Lambda\)"),
        (layers.GroupNormalization(2, name="group"), r"group \(GroupNormalization\)"),
        (layers.Conv2D(2, 1, activation=layers.LeakyReLU(), name="conv"),
         "layer conv has the activation LeakyReLU"),
    ],
)  # fmt: skip
def test_a_layer_without_a_twin_is_named(layer, line):
    with pytest.raises(ValueError, match=line):
        describe(model_of(layer))


def test_an_operation_that_is_no_layer_is_named():
    image = keras.Input((8, 8, 4))
    x = layers.Flatten()(image * 2.0)
    with pytest.raises(ValueError, match=r"have no twin there: multiply\w* \(Multiply\)"):
        describe(keras.Model(image, layers.Dense(3)(x)))


def test_many_layers_without_a_twin_are_counted():
    many = [layers.Lambda(lambda x: x, name=f"own{number}") for number in range(5)]
    with pytest.raises(ValueError, match=r"own2 \(Lambda\) and 2 more; build"):
        describe(model_of(*many))


def test_a_model_of_a_class_of_its_own_is_refused(toy):
    with pytest.raises(ValueError, match=r"no twin there: block \(Block\)"):
        describe(toy("subclassed"))
