"""Models that say nowhere what they take."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from export import export_model, verify
from export.skeleton.declared import declared
from export.skeleton.wrapped import functional_of


class Own(keras.Model):
    """Of one array."""

    def __init__(self):
        super().__init__(name="own")
        self.last = layers.Dense(3)

    def call(self, x):
        return self.last(ops.reshape(x, (-1, 12)))


class Ids(keras.Model):
    """Of whole numbers."""

    def __init__(self):
        super().__init__(name="ids")
        self.table, self.last = layers.Embedding(9, 4), layers.Dense(3)

    def call(self, ids):
        return self.last(ops.mean(self.table(ids), axis=1))


class Pair(keras.Model):
    """Of two arrays, each an argument."""

    def __init__(self):
        super().__init__(name="pair")
        self.last = layers.Dense(3)

    def call(self, left, right):
        return self.last(left) - self.last(right)


def tensors(model):
    contract = declared(model)
    return [(one.name, one.dtype, one.shape) for one in contract.inputs]


def test_a_model_that_tells_what_it_takes_stays_itself():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2)(x))
    assert functional_of(model) is model


def test_a_model_that_has_run_takes_what_it_was_called_with():
    own = Own()
    values = np.random.default_rng(0).normal(size=(2, 2, 2, 3)).astype(np.float32)
    made = own(values)
    wrapped = functional_of(own)
    assert tensors(wrapped) == [("image", "float32", ("batch", 2, 2, 3))]
    np.testing.assert_allclose(wrapped(values), made, rtol=1e-6)


def test_inputs_that_are_given_tell_names_shapes_and_types():
    given = {"ids": np.zeros((2, 5), np.int32)}
    assert tensors(functional_of(Ids(), given)) == [("ids", "int32", ("batch", 5))]
    given = {"left": np.zeros((2, 4), np.float32), "right": np.zeros((2, 4), np.float32)}
    assert [name for name, *_ in tensors(functional_of(Pair(), given))] == ["left", "right"]
    stack = keras.Sequential([layers.Dense(3)], name="stack")
    assert tensors(functional_of(stack, np.zeros((2, 4), np.float32)))[0][2] == ("batch", 4)


def called(model, *inputs):
    model(*inputs)
    return model


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: Own(), "own, of its own class, does not tell what it takes; give it some inputs"),
        (
            lambda: keras.Sequential([layers.Dense(3)], name="stack"),
            "stack, a Sequential without an Input, does not tell what it takes",
        ),
        (lambda: called(Ids(), ops.zeros((1, 5), "int32")), "may be other than floats; give it"),
        (
            lambda: called(Pair(), *[ops.zeros((1, 5))] * 2),
            r"pair cannot be called on inputs of the shapes \[\(5,\)\]: .*right",
        ),
    ],
)
def test_what_does_not_tell_enough_is_said_in_one_line(model, why):
    with pytest.raises(ValueError, match=why) as raised:
        functional_of(model())
    assert "\n" not in str(raised.value)


def test_a_model_of_its_own_class_is_exported_and_verified_by_inputs(here, tmp_path):
    given = {"ids": np.random.default_rng(0).integers(0, 9, (4, 5)).astype(np.int32)}
    model = Ids()
    (report,) = export_model(model, ["onnx"], tmp_path, images=given)
    assert report.passed and report.contract["inputs"][0]["name"] == "ids"
    assert verify(model, report.folder, images=given).passed
