"""Operations that converters and servers know, in place of others that mean the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from export.skeleton.tracing import run_skeleton, trace


def moved(x):
    """Write a part of `x` elsewhere, and a constant into it."""
    x = ops.slice_update(x, (0, 1, 0), x[:, :2, :3] * 2.0)
    return ops.slice_update(x, (0, 0, 0), ops.ones((1, 1, 2)))


FUNCTIONS = {
    "erfc": (lambda x: ops.convert_to_tensor(1.0) - ops.erf(x) * 0.5, ()),
    "celu": (ops.celu, ("Expm1",)),
    "slice_update": (moved, ("XlaDynamicUpdateSlice",)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_operations_give_the_same(name):
    function, without = FUNCTIONS[name]
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layers.Flatten()(layers.Lambda(function, name=name)(inputs)))
    skeleton = trace(model)
    assert not {node.op for node in skeleton.graph.node} & {*without, "Erfc"}
    values = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
    run = tf.function(lambda x: run_skeleton(skeleton, [x], []), autograph=False)
    (made,) = run(tf.constant(values)).values()
    np.testing.assert_allclose(made, model(values), atol=1e-6)


def test_what_is_written_into_constants_is_computed_at_once():
    """As Swin makes its masks."""

    def mask(x):
        made = ops.slice_update(ops.zeros((1, 5, 4)), (0, 2, 1), ops.ones((1, 2, 2)))
        return x * made

    inputs = keras.Input((5, 4))
    skeleton = trace(keras.Model(inputs, layers.Flatten()(layers.Lambda(mask)(inputs))))
    assert not [node.op for node in skeleton.graph.node if "Update" in node.op]
