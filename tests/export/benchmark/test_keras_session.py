"""A Keras model is run as it is, whatever it takes and gives."""

import keras
import numpy as np
import pytest
from keras import layers

from export.benchmark.keras_session import KerasSession


def pair(structure):
    ids = keras.Input((None,), dtype="int32", name="ids")
    age = keras.Input((2,), name="age")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(30, 4)(ids))
    x = layers.Concatenate()([x, age])
    inputs = {"list": [ids, age], "dict": {"age": age, "ids": ids}}[structure]
    return keras.Model(inputs, [layers.Dense(3)(x), layers.Dense(2)(x)])


@pytest.mark.parametrize("way", ["predict", "jit"])
@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_inputs_and_outputs_run_in_both_ways(structure, way):
    model = pair(structure)
    given = {"ids": np.ones((2, 5), np.int32), "age": np.ones((2, 2), np.float32)}
    named = [tensor.name for tensor in model.inputs]
    made = KerasSession(model, way).predict({name: given[name] for name in named})
    wanted = model(given if structure == "dict" else [given[name] for name in named])
    for own, right in zip(made.values(), wanted, strict=True):
        np.testing.assert_allclose(own, right, atol=1e-6)
    assert list(made) == ["output", "output_1"]
