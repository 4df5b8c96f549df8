"""Operations that converters and servers know, in place of others that mean the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from export.skeleton.substitutes import plain_operations
from export.skeleton.tracing import run_skeleton, trace

NUMBERS = np.concatenate(
    [np.linspace(-20, 20, 801), [-120.0, -1e-7, -1e-3, 0.0, 1e-7, 1e-3, 80.0]]
).astype(np.float32)


def moved(x):
    """Write a part of `x` elsewhere, and a constant into it."""
    x = ops.slice_update(x, (0, 1, 0), x[:, :2, :3] * 2.0)
    return ops.slice_update(x, (0, 0, 0), ops.ones((1, 1, 2)))


FUNCTIONS = {
    "erfc": (lambda x: ops.convert_to_tensor(1.0) - ops.erf(x) * 0.5, ()),
    "celu": (ops.celu, ("Expm1",)),
    "log1p": (lambda x: ops.log1p(ops.abs(x)), ("Log1p",)),
    "take": (lambda x: ops.take(x, [3, 1, 2], axis=1), ()),  # waits for its input
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


def plain(function, values):
    """The operations of `function` after the rewriting, and what they give for `values`."""

    @tf.function(input_signature=[tf.TensorSpec((None, *values.shape[1:]), tf.float32, name="x")])
    def traced(x):
        return tf.identity(function(x), name="y")

    graph = plain_operations(traced.get_concrete_function().graph.as_graph_def(), ["x", "y"])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        return [node.op for node in graph.node], session.run("y:0", {"x:0": values})


@pytest.mark.parametrize(
    ("function", "operation"), [(tf.math.erfc, "Erfc"), (tf.math.expm1, "Expm1")]
)
def test_a_function_is_as_exact_plain_operations(function, operation):
    operations, found = plain(function, NUMBERS)
    assert operation not in operations
    np.testing.assert_allclose(found, function(NUMBERS), rtol=2e-6, atol=2e-7)


def test_small_numbers_keep_their_digits_in_exp_less_one():
    small = np.float32([1e-7, -1e-7, 3e-5, -3e-5])
    _, found = plain(tf.math.expm1, small)
    np.testing.assert_allclose(found, np.expm1(np.float64(small)), rtol=1e-6)


@pytest.mark.parametrize("function", [ops.argmax, ops.argmin])
def test_the_place_of_a_number_is_found_without_looking_at_bits(function):
    values = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    operations, found = plain(lambda x: function(x, axis=-1), values)
    assert not {"Bitcast", "SelectV2"} & set(operations)
    np.testing.assert_array_equal(found, function(values, axis=-1))


def test_what_is_chosen_otherwise_before_it_stays():
    values = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    operations, found = plain(
        lambda x: tf.argmax(tf.where((x > 0) & (x < 1), -x, x), -1, tf.int32), values
    )
    assert "SelectV2" in operations
    wanted = np.where((values > 0) & (values < 1), -values, values).argmax(-1)
    np.testing.assert_array_equal(found, wanted)
