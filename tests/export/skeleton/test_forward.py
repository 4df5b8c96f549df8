"""The network in plain operations computes what Keras computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.skeleton.fold import fold
from export.skeleton.forward import forward
from keras_nets.weights.seeded import seed_weights

IMAGE = (8, 8, 4)


def graph_of(model):
    """The operations of `model` with placeholders for weights, and a function that runs them."""
    folded = fold(model)

    @tf.function(autograph=False)
    def network(image, weights):
        return forward(model, folded, [image], weights)[0]

    values = {name: tf.constant(weight.read()) for name, weight in folded.weights.items()}
    shape = (None, *model.input_shape[1:])
    concrete = network.get_concrete_function(tf.TensorSpec(shape, tf.float32), values)
    return [node.op for node in concrete.graph.as_graph_def().node], lambda x: network(x, values)


def around(*steps, image=IMAGE):
    x = inputs = keras.Input(image, name="image")
    for step in steps:
        x = step(x)
    return seed_weights(keras.Model(inputs, x, name="around"), 5)


def assert_same(model):
    operations, run = graph_of(model)
    images = np.random.default_rng(1).standard_normal((3, *model.input_shape[1:]))
    wanted = np.asarray(model(images.astype(np.float32), training=False))
    got = run(tf.constant(images, tf.float32)).numpy()
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-5 * wanted.std()
    return operations


LOWERED = {
    "conv": lambda: layers.Conv2D(5, 3, name="l"),
    "conv with activation": lambda: layers.Conv2D(5, 3, activation="relu", name="l"),
    "conv without bias": lambda: layers.Conv2D(5, 3, use_bias=False, name="l"),
    "conv strided, same": lambda: layers.Conv2D(5, 3, strides=2, padding="same", name="l"),
    "conv oblong": lambda: layers.Conv2D(5, (1, 3), strides=(1, 2), padding="same", name="l"),
    "conv dilated": lambda: layers.Conv2D(5, 3, dilation_rate=2, padding="same", name="l"),
    "conv with a layer's activation": lambda: layers.Conv2D(5, 3, activation=layers.ReLU()),
    "depthwise": lambda: layers.DepthwiseConv2D(3, name="l"),
    "depthwise widening": lambda: layers.DepthwiseConv2D(3, depth_multiplier=3, name="l"),
    "depthwise dilated": lambda: layers.DepthwiseConv2D(3, dilation_rate=2, name="l"),
    "depthwise strided": lambda: layers.DepthwiseConv2D(3, strides=2, padding="same", name="l"),
    "separable": lambda: layers.SeparableConv2D(5, 3, strides=2, padding="same", name="l"),
    "dense over images": lambda: layers.Dense(5, activation="tanh", name="l"),
    "depthwise in groups": lambda: layers.Conv2D(8, 3, groups=4, padding="same", name="l"),
    "PReLU": lambda: layers.PReLU(shared_axes=(1, 2), name="l"),
    "batch-norm": lambda: layers.BatchNormalization(name="l"),
    "batch-norm of rows": lambda: layers.BatchNormalization(axis=1, name="l"),
    "flatten": lambda: layers.Flatten(name="l"),
    "dropout": lambda: layers.Dropout(0.9, name="l"),
}
AS_KERAS_WROTE_THEM = {
    "transposed conv": lambda: layers.Conv2DTranspose(5, 3, strides=2, name="l"),
    "layer-norm": lambda: layers.LayerNormalization(name="l"),
    "group-norm": lambda: layers.GroupNormalization(2, name="l"),
    "noise": lambda: layers.GaussianNoise(1.0, name="l"),
    "spatial dropout": lambda: layers.SpatialDropout2D(0.9, name="l"),
    "rescaling": lambda: layers.Rescaling(3.0, name="l"),
}


@pytest.mark.parametrize("layer", [*LOWERED, *AS_KERAS_WROTE_THEM])
def test_a_layer_computes_what_keras_computes(layer):
    assert_same(around((LOWERED | AS_KERAS_WROTE_THEM)[layer]()))


ROWS = {
    "conv": lambda: layers.Conv1D(5, 3, strides=2, padding="same", activation="relu", name="l"),
    "conv dilated": lambda: layers.Conv1D(5, 3, dilation_rate=2, name="l"),
    "conv causal": lambda: layers.Conv1D(5, 3, padding="causal", dilation_rate=2, name="l"),
    "conv in groups": lambda: layers.Conv1D(6, 3, groups=2, name="l"),
    "depthwise in groups": lambda: layers.Conv1D(8, 3, groups=4, padding="causal", name="l"),
    "depthwise": lambda: layers.DepthwiseConv1D(3, strides=2, depth_multiplier=2, name="l"),
    "separable": lambda: layers.SeparableConv1D(5, 3, padding="same", name="l"),
    "dense": lambda: layers.Dense(5, activation="tanh", name="l"),
}


@pytest.mark.parametrize("layer", ROWS)
def test_a_layer_over_rows_computes_what_keras_computes(layer):
    assert_same(around(ROWS[layer](), image=(9, 4)))


@pytest.mark.parametrize("image", [(4,), (9, 4), (5, 9, 4), (2, 5, 9, 4)])
def test_a_dense_layer_computes_no_shape_at_run_time(image):
    operations = assert_same(around(layers.Dense(5, name="dense"), image=image))
    assert not {"Shape", "Prod", "GatherV2"} & set(operations)


def test_groups_of_one_channel_are_depthwise():
    operations = assert_same(around(layers.Conv2D(8, 3, groups=4, name="conv")))
    assert "DepthwiseConv2dNative" in operations and "Conv2D" not in operations


class Block(layers.Layer):
    """A layer of layers, which no graph connects."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = layers.Conv2D(5, 3, groups=1, use_bias=True, name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.flatten = layers.Flatten(name="flatten")
        self.unused = layers.BatchNormalization(name="unused")

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.conv.compute_output_shape(shape))
        self.unused.build(shape)

    def call(self, x, training=False):
        return self.flatten(self.norm(self.conv(inputs=x), training=training))


class Standardised(layers.Layer):
    """Changes the kernel of its own layer each time that it is called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(3, name="dense")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        kernel = self.dense.kernel
        self.dense.kernel.assign(kernel / keras.ops.norm(kernel))
        return self.dense(x)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Block(name="block"),
        lambda: Standardised(name="standardised"),
        lambda: layers.TimeDistributed(layers.Dense(3, name="dense"), name="each"),
        lambda: layers.SpectralNormalization(layers.Conv2D(5, 3, name="conv"), name="spectral"),
    ],
    ids=["block", "standardised", "each", "spectral"],
)
def test_layers_within_a_layer_compute_what_keras_computes(layer):
    assert_same(around(layer()))


def test_layers_within_a_layer_are_lowered_and_left_as_they_were():
    block = Block(name="block")
    model = around(block)
    operations = assert_same(model)
    assert "BiasAdd" in operations
    assert not {"Shape", "Rsqrt"} & set(operations)
    assert "call" not in vars(block.flatten)


def test_biases_are_added_by_the_operation_that_converters_fuse():
    operations = assert_same(
        around(
            layers.Conv2D(5, 3, name="conv"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(5, 3, name="separable"),
            layers.BatchNormalization(axis=-1, name="norm"),
            layers.Flatten(name="flatten"),
            layers.Dense(5, name="dense"),
        )
    )
    assert operations.count("BiasAdd") == 5
    assert not {"Add", "AddV2"} & set(operations)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Flatten(name="flatten"),
        layers.Reshape((-1, IMAGE[-1]), name="reshape"),
        layers.Reshape((IMAGE[1], IMAGE[0], IMAGE[2]), name="turn"),
    ],
    ids=lambda layer: layer.name,
)
def test_reshaping_takes_a_shape_that_is_known(layer):
    operations = assert_same(around(layer))
    assert "Shape" not in operations


def test_a_model_is_run_at_inference():
    operations = assert_same(
        around(
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5, name="drop"),
            layers.GaussianNoise(1.0, name="noise"),
        )
    )
    assert not any("Random" in operation for operation in operations)


def test_operations_between_layers_are_kept():
    inputs = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(4, 1, name="conv")(inputs)
    assert_same(seed_weights(keras.Model(inputs, 2 * keras.ops.tanh(x) + inputs)))


@pytest.mark.parametrize("name", ["shared", "nested", "subclassed"])
def test_weights_come_from_the_caller_and_not_from_the_model(toy, name):
    model = toy(name)
    folded = fold(model)
    zeros = {name: tf.zeros(weight.shape) for name, weight in folded.weights.items()}
    images = tf.ones((2, *model.input_shape[1:]))
    np.testing.assert_array_equal(forward(model, folded, [images], zeros)[0], 0.0)


def test_a_layer_within_a_layer_as_its_activation_keeps_its_weights():
    model = around(layers.Conv2D(5, 3, activation=layers.PReLU(shared_axes=(1, 2)), name="conv"))
    model(np.zeros((1, *IMAGE), np.float32))  # builds it
    assert_same(seed_weights(model, 5))
    assert len(fold(model).weights) == 3


class Dense(layers.Layer):
    """A user's own layer of the name of one of Keras', without what that one has."""

    def call(self, x):
        return 2 * x


def test_a_user_s_own_layer_runs_as_the_user_wrote_it():
    assert_same(around(Dense(name="dense")))


class Order(layers.Layer):
    """Keeps whole numbers beside its weights."""

    def build(self, shape):
        self.order = self.add_weight(
            shape=(shape[-1],), dtype="int32", initializer="zeros", trainable=False, name="order"
        )
        self.order.assign(np.arange(shape[-1])[::-1])

    def call(self, x):
        return keras.ops.take(x, self.order, axis=-1)


def test_whole_numbers_that_a_layer_keeps_become_part_of_the_graph():
    assert "ReadVariableOp" not in assert_same(around(Order(name="order")))


@pytest.mark.parametrize("structure", [lambda x: [x], lambda x: {"scores": x}])
def test_a_model_may_give_its_one_output_in_a_structure(structure):
    inputs = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(4, 1, name="conv")(inputs)
    model = seed_weights(keras.Model(inputs, structure(x)), 5)
    folded = fold(model)
    values = {name: tf.constant(weight.read()) for name, weight in folded.weights.items()}
    image = np.ones((2, *IMAGE), np.float32)
    (wanted,) = keras.tree.flatten(model(image))
    assert np.allclose(forward(model, folded, [image], values)[0], wanted, atol=1e-6)


@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize(
    "inner",
    [
        lambda: layers.Dense(3, activation="softmax"),
        lambda: layers.Conv1D(3, 2, activation="relu"),
        lambda: layers.BatchNormalization(),
    ],
)
def test_each_step_of_a_sequence_is_run_at_once(inner, steps):
    inputs = keras.Input((steps, 6, 4))
    model = seed_weights(keras.Model(inputs, layers.TimeDistributed(inner())(inputs)))
    ops, run = graph_of(model)
    assert not [op for op in ops if "While" in op]
    values = np.random.default_rng(0).normal(size=(3, 5, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(run(values), model(values), atol=1e-5)
