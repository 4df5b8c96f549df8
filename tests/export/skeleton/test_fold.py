"""Batch-norm folded into the layer before it: exactly where it may fold, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from export.skeleton.fold import fold, norms, scale_and_shift, values_of
from export.skeleton.forward import forward
from keras_nets.weights.seeded import seed_weights

IMAGE = (6, 6, 4)


def chain(*steps, image=IMAGE, name="chain"):
    """A seeded model of one layer after another."""
    x = inputs = keras.Input(image, name="image")
    for step in steps:
        x = step(x)
    return seed_weights(keras.Model(inputs, x, name=name), 3)


def names(layers):
    return {layer.name for layer in layers}


def images(shape=IMAGE):
    return np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)


def assert_same(model):
    """The folded network computes what Keras computes."""
    folded = fold(model)
    values = {name: tf.constant(weight.read()) for name, weight in folded.weights.items()}
    for name, weight in folded.weights.items():
        assert weight.shape == tuple(values[name].shape), name
    wanted = np.asarray(model(images(model.input_shape[1:]), training=False))
    got = np.asarray(forward(model, folded, [images(model.input_shape[1:])], values)[0])
    assert np.abs(wanted - got).max() < 1e-5 * wanted.std()


def conv(**options):
    return layers.Conv2D(5, 3, padding="same", name="conv", **options)


def norm(**options):
    return layers.BatchNormalization(name="norm", **options)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "kernel",
    [
        lambda bias: conv(use_bias=bias),
        lambda bias: layers.Conv2D(5, 2, strides=2, dilation_rate=1, use_bias=bias, name="conv"),
        lambda bias: layers.Dense(5, use_bias=bias, name="dense"),
        lambda bias: layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=bias, name="depth"),
    ],
    ids=["conv", "strided", "dense", "depthwise"],
)
def test_a_batch_norm_folds_into_the_layer_before_it(kernel, scale, center, bias):
    model = chain(kernel(bias), norm(scale=scale, center=center, epsilon=0.01))
    folded = fold(model)
    assert names(folded.gone) == {"norm"}
    assert [name.split("/")[-1] for name in folded.weights] == ["kernel", "bias"]
    assert_same(model)


BEFORE = {
    "in groups": (lambda: layers.Conv2D(6, 3, groups=2, name="conv"), True),
    "in groups, strided": (lambda: layers.Conv2D(4, 3, groups=4, strides=2, name="conv"), True),
    "oblong strides": (lambda: layers.DepthwiseConv2D(3, strides=(1, 2), name="conv"), True),
    "oblong, same": (
        lambda: layers.DepthwiseConv2D((2, 5), strides=(3, 2), padding="same", name="conv"),
        True,
    ),
    "1D": (lambda: layers.Conv1D(6, 3, strides=2, name="conv"), True),
    "1D in groups": (lambda: layers.Conv1D(6, 3, groups=2, name="conv"), True),
    "1D causal": (lambda: layers.Conv1D(6, 3, padding="causal", name="conv"), True),
    "3D": (lambda: layers.Conv3D(6, 2, name="conv"), True),
    "3D in groups": (lambda: layers.Conv3D(6, 2, groups=2, padding="same", name="conv"), True),
    "separable": (lambda: layers.SeparableConv2D(6, 3, use_bias=False, name="conv"), False),
}


@pytest.mark.parametrize("kind", BEFORE)
def test_what_a_batch_norm_folds_into_applies_the_bias_that_it_makes(kind):
    make, folds = BEFORE[kind]
    layer = make()
    layer.use_bias = False
    steps = [layer, norm(), layers.ReLU(name="relu")]
    if "1D" in kind or "3D" in kind:
        steps.insert(0, layers.Reshape((36, 4) if "1D" in kind else (3, 3, 4, 4), name="turned"))
    model = chain(*steps)
    assert names(fold(model).gone) == ({"norm"} if folds else set())
    assert_same(model)


def test_a_dense_layer_that_computes_in_eight_bits_takes_nothing_in():
    model = seed_weights(chain(layers.Dense(5, use_bias=False, name="dense"), norm()))
    model.get_layer("dense").quantize("float8")
    assert names(fold(model).gone) == set()
    assert_same(model)


channel = st.fixed_dictionaries(
    {
        "gamma": st.floats(-3, 3, width=32),
        "beta": st.floats(-3, 3, width=32),
        "mean": st.floats(-3, 3, width=32),
        "variance": st.floats(0, 100, width=32),
    }
)


@settings(max_examples=50)
@given(channel=channel, kernel=st.floats(-2, 2, width=32), bias=st.floats(-2, 2, width=32))
def test_folding_rounds_once_from_double_precision(channel, kernel, bias):
    model = ONE_CHANNEL
    values = [kernel, bias, *(channel[k] for k in ("gamma", "beta", "mean", "variance"))]
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(np.full(variable.shape, value, np.float32))
    scale = channel["gamma"] / np.sqrt(np.float64(channel["variance"]) + 1e-3)
    made = {name.split("/")[-1]: w.read().item() for name, w in fold(model).weights.items()}
    assert made["kernel"] == np.float32(np.float32(kernel) * scale)
    wanted = np.float32(bias * scale + (channel["beta"] - channel["mean"] * scale))
    assert made["bias"] == pytest.approx(wanted, rel=1e-7, abs=1e-37)


ONE_CHANNEL = chain(layers.Conv2D(1, 1, name="conv"), norm(), image=(1, 1, 1))


def two_consumers():
    inputs = keras.Input(IMAGE, name="image")
    x = conv()(inputs)
    return keras.Model(inputs, layers.Add(name="add")([x, norm()(x)]))


def also_an_output():
    inputs = keras.Input(IMAGE, name="image")
    x = conv()(inputs)
    return keras.Model(inputs, [norm()(x), x])


def called_twice():
    inputs = keras.Input(IMAGE, name="image")
    shared = layers.Conv2D(4, 3, padding="same", name="conv")
    return keras.Model(inputs, norm()(shared(shared(inputs))))


def norm_called_twice():
    inputs, shared = keras.Input(IMAGE, name="image"), norm()
    return keras.Model(inputs, shared(layers.Conv2D(4, 1, name="conv")(shared(inputs))))


def after_a_concatenation():
    inputs = keras.Input(IMAGE, name="image")
    joined = layers.Concatenate(name="concat")([conv()(inputs), inputs])
    return keras.Model(inputs, norm()(joined))


UNFOLDABLE = {
    "at the input": lambda: chain(norm()),
    "an activation between": lambda: chain(conv(), layers.ReLU(name="relu"), norm()),
    "an activation within": lambda: chain(conv(activation="relu"), norm()),
    "an activation layer within": lambda: chain(conv(activation=layers.ReLU()), norm()),
    "a pooling between": lambda: chain(conv(), layers.MaxPooling2D(2, name="pool"), norm()),
    "another axis": lambda: chain(conv(), norm(axis=1)),
    "a transposed convolution": lambda: chain(
        layers.Conv2DTranspose(5, 3, strides=2, name="up"), norm()
    ),
    "a separable convolution": lambda: chain(layers.SeparableConv2D(5, 3, name="sep"), norm()),
    "two consumers": two_consumers,
    "called twice": called_twice,
    "the norm called twice": norm_called_twice,
    "a concatenation between": after_a_concatenation,
}


@pytest.mark.parametrize("case", UNFOLDABLE)
def test_a_batch_norm_stays_with(case):
    model = seed_weights(UNFOLDABLE[case](), 3)
    folded = fold(model)
    assert not folded.gone
    assert {"norm/scale", "norm/shift"} <= set(folded.weights)
    assert_same(model)


def test_a_convolution_whose_own_output_is_wanted_keeps_its_weights():
    assert not fold(also_an_output()).gone


def test_an_output_of_a_nested_model_keeps_its_weights():
    entry = keras.Input(IMAGE, name="entry")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(entry)
    trunk = keras.Model(entry, [x, norm()(x)], name="trunk")
    inputs = keras.Input(IMAGE, name="image")
    model = keras.Model(inputs, layers.Add(name="add")(trunk(inputs)), name="outer")
    assert_same(seed_weights(model, 3))


def test_a_batch_norm_that_is_the_output_folds():
    model = chain(layers.Flatten(name="flatten"), layers.Dense(5, name="dense"), norm())
    assert names(fold(model).gone) == {"norm"}
    assert_same(model)


def test_only_the_first_of_two_batch_norms_folds():
    model = chain(conv(), norm(), layers.BatchNormalization(name="second"))
    assert names(fold(model).gone) == {"norm"}
    assert_same(model)


def test_a_batch_norm_over_a_row_or_another_axis_keeps_vectors():
    row = chain(layers.Flatten(name="flatten"), norm(), image=(2, 2, 3))
    assert {w.shape for w in fold(row).weights.values()} == {(12,)}
    axis = chain(norm(axis=1))
    assert {w.shape for w in fold(axis).weights.values()} == {(6,)}
    assert_same(row)
    assert_same(axis)


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested", "subclassed"])
def test_every_toy_computes_the_same_when_folded(toy, name):
    assert_same(toy(name))


def test_names_are_those_of_keras_and_nothing_is_read_before_it_is_asked_for(toy):
    folded = fold(toy("plain"))
    assert list(folded.weights) == [
        f"{layer}/{kind}"
        for layer in ("conv1", "conv2", "conv3", "fc4", "logits")
        for kind in ("kernel", "bias")
    ]
    assert folded.weights["conv1/kernel"].bytes == 4 * 3 * 3 * 3 * 8
    assert names(folded.gone) == {"norm1", "norm2"}


def test_layers_of_one_name_in_models_within_a_model_are_told_apart():
    inner = []
    for name in ("first", "second"):
        entry = keras.Input(IMAGE)
        x = norm()(layers.Conv2D(4, 1, use_bias=False, name="conv")(entry))
        inner.append(keras.Model(entry, x, name=name))
    inputs = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(4, 1, name="conv")(inner[1](inner[0](inputs)))
    model = seed_weights(keras.Model(inputs, x))
    paths = ("first/conv", "second/conv", "conv")
    wanted = {f"{path}/{what}" for path in paths for what in ("kernel", "bias")}
    assert set(fold(model).weights) == wanted
    assert [(n.name, n.into) for n in norms(model)] == [
        ("first/norm", "first/conv"),
        ("second/norm", "second/conv"),
    ]
    assert_same(model)


class Twins(layers.Layer):
    """A user's own layer that calls two layers the same."""

    def build(self, shape):
        self.twins = [layers.Dense(shape[-1], name="twin") for _ in range(2)]
        for twin in self.twins:
            twin.build(shape)

    def call(self, x):
        return self.twins[1](keras.ops.tanh(self.twins[0](x)))


def test_weights_of_one_path_within_a_layer_are_told_apart():
    inputs = keras.Input(IMAGE, name="image")
    model = seed_weights(keras.Model(inputs, Twins(name="twins")(inputs)))
    assert len({v.path for v in model.weights}) == 2
    assert len(fold(model).weights) == 4
    assert_same(model)


def sequential(*steps, name="inner"):
    return keras.Sequential([keras.Input(IMAGE), *steps], name=name)


def test_a_sequential_model_folds_too():
    model = seed_weights(sequential(conv(), norm(), layers.ReLU(name="relu")), 3)
    assert names(fold(model).gone) == {"norm"}
    assert_same(model)


def test_a_sequential_model_that_grew_layer_by_layer_folds():
    model = keras.Sequential([keras.Input(IMAGE)], name="grown")
    for step in (conv(), norm(), layers.ReLU(name="relu")):
        model.add(step)
    assert names(fold(seed_weights(model, 3)).gone) == {"norm"}
    assert_same(model)


def test_layers_of_one_name_in_two_sequential_models_are_told_apart():
    first = keras.Sequential([conv(), norm(), layers.ReLU(name="relu")], name="first")
    second = keras.Sequential([conv(), layers.ReLU(name="relu"), norm()], name="second")
    model = chain(first, second)
    folded = fold(model)
    assert len(folded.gone) == 1
    assert {"first/conv/bias", "second/norm/scale"} <= set(folded.weights)
    assert_same(model)


def test_layers_of_another_model_do_not_keep_a_batch_norm_from_folding():
    model = chain(conv(), norm())
    keras.Model(model.input, layers.ReLU()(model.get_layer("conv").output))
    assert names(fold(model).gone) == {"norm"}


class Conv2D(layers.Conv2D):
    """A layer of the user's, of the name of one of Keras'."""

    def call(self, x):
        return keras.ops.conv(x, 2 * self.kernel, padding=self.padding) + self.bias


def test_a_user_s_own_layer_is_no_layer_of_keras_of_the_same_name():
    model = chain(Conv2D(5, 3, padding="same", name="conv"), norm())
    assert not fold(model).gone
    assert_same(model)


class Doubled(keras.Model):
    def call(self, image, training=None):
        return 2 * super().call(image, training=training)


def test_a_model_that_overrides_its_graph_is_run_as_it_is_written():
    inputs = keras.Input(IMAGE, name="image")
    model = Doubled(inputs, norm()(conv()(inputs)), name="doubled")
    assert not fold(model).gone
    assert_same(seed_weights(model, 3))


class Transposed(layers.Layer):
    """Reads the weights of another layer."""

    def __init__(self, other):
        super().__init__(name="transposed")
        self.other = other

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.other.kernel))


def test_a_weight_that_two_layers_share_is_one_weight():
    dense = layers.Dense(5, name="dense")
    model = chain(dense, Transposed(dense))
    assert list(fold(model).weights) == ["dense/kernel", "dense/bias"]
    assert_same(model)


def test_scale_and_shift_are_in_double_precision():
    layer = norm(scale=False, center=False)
    layer.build((None, 3))
    scale, shift = scale_and_shift(layer)
    assert scale.dtype == shift.dtype == np.float64
    np.testing.assert_array_equal(shift, 0.0)


def test_values_of_a_weight_are_read_where_keras_has_them(toy):
    weights = fold(toy("plain")).weights.values()
    kernel = next(w for w in weights if w.variable is not None and len(w.shape) == 4)
    first, second = kernel.read(), kernel.read()
    assert np.shares_memory(first, second), "nothing is copied"
    np.testing.assert_array_equal(first, kernel.variable.numpy())


def test_what_was_read_of_a_weight_stays_when_keras_changes_it():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    before = values_of(layer.kernel)
    kept = before.copy()
    layer.kernel.assign_add(np.ones((3, 2)))
    layer.kernel.assign(np.zeros((3, 2)))
    np.testing.assert_array_equal(before, kept)
