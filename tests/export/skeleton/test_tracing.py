"""Tracing a model without its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.contract import Contract
from export.errors import ExportError
from export.skeleton.tracing import (
    grouped_convolutions,
    run_skeleton,
    stand_in,
    trace,
    with_constants,
)
from keras_nets.weights.seeded import seed_weights


def run_graph(graph, images):
    """Logits of a GraphDef whose weights are constants; a session brings its functions along."""
    with tf.Graph().as_default() as own, tf.compat.v1.Session(graph=own) as session:
        tf.graph_util.import_graph_def(graph, name="")
        return session.run("logits:0", {"image:0": images})


def images(skeleton, count=3):
    shape = (count, *skeleton.image)
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested", "subclassed"])
def test_a_skeleton_with_its_weights_computes_what_the_model_computes(toy, skeleton, name):
    traced = skeleton(name)
    graph = with_constants(traced, lambda _, weight: weight.read())
    wanted = np.asarray(toy(name)(images(traced), training=False))
    assert np.abs(run_graph(graph, images(traced)) - wanted).max() < 1e-5 * wanted.std()


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested", "subclassed"])
def test_a_skeleton_holds_one_placeholder_a_weight_and_no_values(skeleton, name):
    traced = skeleton(name)
    placeholders = {node.name for node in traced.graph.node if node.op == "Placeholder"}
    assert placeholders == {"image", *map(stand_in, range(len(traced.weights)))}
    used = {source for node in traced.graph.node for source in node.input}
    assert placeholders <= used
    assert len(traced.graph.SerializeToString()) < 20_000
    assert not traced.graph.library.function


def test_a_folded_batch_norm_that_nothing_uses_is_an_error(monkeypatch):
    image = keras.Input((8, 8, 4), name="image")
    x = layers.BatchNormalization(name="norm")(
        layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    )
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(5, name="logits")(x), name="lossy")
    monkeypatch.setattr("export.skeleton.convolutions.biased", lambda x, bias: x)
    with pytest.raises(ExportError, match="^conv/bias holds a folded batch-norm and would be lost"):
        trace(model)


def grouped_model():
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, groups=2, activation="relu", name="grouped")(image)
    x = layers.Reshape((36, 8), name="rows")(x)
    x = layers.Conv1D(8, 3, groups=4, name="row_groups")(x)
    wrapped = layers.Conv1D(4, 3, groups=2, name="wrapped")
    x = layers.SpectralNormalization(wrapped, name="spectral")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return seed_weights(keras.Model(image, layers.Dense(5, name="logits")(x), name="groups"))


def test_no_convolution_in_groups_has_to_be_compiled():
    model = grouped_model()
    traced = trace(model)
    assert b"_XlaMustCompile" not in traced.graph.SerializeToString()
    assert not traced.graph.library.function
    assert [name.split("/")[0] for name in grouped_convolutions(traced)] == [
        "grouped", "row_groups", "spectral",
    ]  # fmt: skip
    graph = with_constants(traced, lambda _, weight: weight.read())
    wanted = np.asarray(model(images(traced), training=False))
    assert np.abs(run_graph(graph, images(traced)) - wanted).max() < 1e-5 * wanted.std()


def test_a_skeleton_knows_its_network(skeleton):
    traced = skeleton("plain")
    assert traced.contract == Contract.of_classifier((32, 32, 3), 5)
    assert (traced.name, traced.image, traced.endings) == ("plain", (32, 32, 3), {})
    assert traced.weight_bytes == sum(4 * np.prod(weight.shape) for weight in traced.weights)


def test_tracing_twice_gives_the_same_bytes(toy, skeleton):
    again = trace(toy("plain")).graph.SerializeToString(deterministic=True)
    assert again == skeleton("plain").graph.SerializeToString(deterministic=True)


def test_repeated_values_stand_in_at_four_bytes_each(skeleton):
    traced = skeleton("plain")
    graph = with_constants(traced, lambda index, _: 1.0 + index)
    assert len(graph.SerializeToString()) < 20_000
    images_of_one = np.ones((1, *traced.image), np.float32)
    arrays = with_constants(traced, lambda i, w: np.full(w.shape, 1.0 + i, np.float32))
    assert np.array_equal(run_graph(graph, images_of_one), run_graph(arrays, images_of_one))


def test_the_same_skeleton_runs_with_other_weights(skeleton):
    traced = skeleton("plain")

    @tf.function(autograph=False)
    def network(image):
        zeros = [tf.zeros(weight.shape) for weight in traced.weights]
        return run_skeleton(traced, [image], zeros)["logits"]

    np.testing.assert_array_equal(network(tf.constant(images(traced))), 0.0)


def test_weights_that_inference_does_not_use_are_left_out():
    @keras.saving.register_keras_serializable("tests")
    class Averaging(layers.Layer):
        def build(self, shape):
            self.gain = self.add_weight(shape=(shape[-1],), name="gain")
            self.average = self.add_weight(shape=(shape[-1],), name="average", trainable=False)

        def call(self, x):
            return x * self.gain

    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Flatten(name="flatten")(Averaging(name="averaging")(inputs))
    model = seed_weights(keras.Model(inputs, layers.Dense(5, name="logits")(x), name="unused"))
    traced = trace(model)
    assert [weight.name for weight in traced.weights] == [
        "averaging/gain", "logits/kernel", "logits/bias"
    ]  # fmt: skip
    graph = with_constants(traced, lambda _, weight: weight.read())
    wanted = np.asarray(model(images(traced), training=False))
    assert np.abs(run_graph(graph, images(traced)) - wanted).max() < 1e-5 * wanted.std()


def functional(inputs, outputs):
    return keras.Model(inputs, outputs, name="wrong")


def image(*shape):
    return keras.Input(shape or (8, 8, 3))


def pooled(x):
    return layers.GlobalAveragePooling2D()(x)


@pytest.mark.parametrize("shape", [(-1, 16, 12), (-1, 8, 8, 3, 1), (-1, 192)])
def test_operations_that_are_called_like_a_layer_are_traced(shape):
    inputs = image()
    x = layers.Flatten(name="flatten")(keras.ops.reshape(inputs, shape))
    x = keras.ops.relu(layers.Dense(7, name="hidden")(x))
    assert_traced(seed_weights(functional(inputs, layers.Dense(5, name="fc")(x))))


def one_layer(layer, name="one"):
    """A model of images (8, 8, 3) with `layer` before a dense one."""
    inputs = image()
    x = layers.Dense(5, name="fc")(pooled(layer(inputs)))
    return seed_weights(keras.Model(inputs, x, name=name))


def assert_traced(model):
    traced = trace(model)
    graph = with_constants(traced, lambda _, weight: weight.read())
    wanted = np.asarray(model(images(traced), training=False))
    assert np.abs(run_graph(graph, images(traced)) - wanted).max() < 1e-5 * wanted.std()
    return traced


def test_what_a_layer_keeps_beside_its_weights_becomes_a_constant():
    kept = tf.constant(np.random.default_rng(0).standard_normal((8, 8, 3)), tf.float32)
    assert_traced(one_layer(layers.Lambda(lambda x: x - kept, name="centre")))


def test_a_variable_that_no_layer_owns_is_refused():
    free = tf.Variable(np.ones((8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="^free reads a variable that is not among its weights"):
        trace(one_layer(layers.Lambda(lambda x: x * free, name="free")))


def test_a_layer_that_waits_for_its_first_call_is_built():
    traced = assert_traced(one_layer(layers.Conv2D(4, 3, activation=layers.PReLU(), name="conv")))
    assert len(traced.weights) == 5


def test_a_loop_stays_a_loop():
    inputs = image()
    x = layers.LSTM(4, name="lstm")(layers.Reshape((8, 24), name="rows")(inputs))
    model = keras.Model(inputs, layers.Dense(5, name="fc")(x), name="recurrent")
    operations = {node.op for node in assert_traced(seed_weights(model)).graph.node}
    assert not {"Enter", "Switch", "Merge"} & operations


def test_an_exact_gelu_is_spelled_out_for_converters():
    traced = assert_traced(one_layer(layers.Conv2D(4, 3, activation="gelu", name="conv")))
    operations = [node.op for node in traced.graph.node]
    assert "Erf" in operations
    assert "Erfc" not in operations
