import keras
import numpy as np
import pytest
from keras import layers

from export.complexity import measure
from export.errors import ExportError
from keras_nets.catalog import NETS
from keras_nets.weights.load import build_unfilled

# Outputs of convolutions and dense layers: 484,992 + 9,192 and so on, counted apart from this code.
ACTIVATIONS = {
    "alexnet": 484_992 + 9_192,
    "squeezenet1_0": 4_215_264,
    "squeezenet1_1": 2_603_624,
    "vgg11": 7_426_048 + 9_192,
    "vgg13": 12_242_944 + 9_192,
    "vgg16": 13_547_520 + 9_192,
    "vgg19": 14_852_096 + 9_192,
    "darknet53": 12_386_304 + 1_000,
}


@pytest.mark.parametrize("name", NETS)
def test_networks_of_the_catalog_count_what_is_published(name):
    net = NETS[name]
    found = measure(build_unfilled(net))
    macs, counts = net.macs[net.flavours[0]], net.counts[net.flavours[0]]
    assert (found.total("conv_macs"), found.total("dense_macs")) == (macs.conv, macs.dense)
    assert (found.total("params"), found.total("trainable")) == (counts.total, counts.trainable)
    assert found.total("activations") == ACTIVATIONS[name]
    assert abs(found.page_flops / 1e9 - net.page.flops_g) < 0.015
    assert found.uncounted == {}


def only(layer, shape):
    image = keras.Input(shape)
    complexity = measure(keras.Model(image, layer(image)))
    (row,) = (row for row in complexity.layers if row.kind != "InputLayer")
    return row


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (layers.Conv2D(8, 3), (8, 8, 4), 36 * 8 * 9 * 4),
        (layers.Conv2D(8, 3, strides=2, padding="same"), (8, 8, 4), 16 * 8 * 9 * 4),
        (layers.Conv2D(8, 3, groups=2), (8, 8, 4), 36 * 8 * 9 * 2),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (8, 8, 4), 36 * 8 * 9),
        (layers.SeparableConv2D(6, 3), (8, 8, 4), 36 * 4 * 9 + 36 * 4 * 6),
        (layers.Conv2DTranspose(6, 3, strides=2), (4, 4, 5), 16 * 5 * 9 * 6),
        (layers.Conv1D(4, 3), (10, 6), 8 * 4 * 3 * 6),
        (layers.Conv3D(4, 3), (5, 5, 5, 2), 27 * 4 * 27 * 2),
        (layers.Dense(7), (5,), 35),
        (layers.Dense(7), (3, 5), 3 * 35),
        (layers.EinsumDense("abc,cd->abd", (3, 7)), (3, 5), 3 * 35),
        (layers.MaxPooling2D(), (8, 8, 4), 0),
        (layers.BatchNormalization(), (8, 8, 4), 0),
    ],
)
def test_each_kind_of_layer_counts_one_multiplication_a_term(layer, shape, macs):
    row = only(layer, shape)
    assert row.macs == macs
    assert bool(row.activations) == bool(macs)
    assert row.uncounted == ()


def test_attention_counts_its_projections_and_both_of_its_products():
    sequence = keras.Input((10, 8))
    model = keras.Model(sequence, layers.MultiHeadAttention(2, 4)(sequence, sequence))
    projections = 4 * 10 * 8 * 8
    products = 2 * (2 * 10 * 10 * 4)
    assert measure(model).total("dense_macs") == projections + products


def test_a_shared_layer_runs_twice_and_has_its_weights_once():
    image, layer = keras.Input((6,)), layers.Dense(6)
    found = measure(keras.Model(image, layer(layer(image))))
    assert found.total("macs") == 2 * 36
    assert found.total("params") == 42


def test_layers_of_a_model_within_a_model_are_rows_of_their_own():
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, layers.Dense(5, name="below")(inner_in), name="inner")
    image = keras.Input((4,))
    found = measure(keras.Model(image, layers.Dense(3, name="above")(inner(image))))
    assert [row.name for row in found.layers if row.macs] == ["below", "above"]


def test_a_loop_is_said_to_be_uncounted():
    sequence = keras.Input((10, 8))
    found = measure(keras.Model(sequence, layers.LSTM(5, name="memory")(sequence)))
    assert set(found.uncounted) == {"memory"}


def test_a_model_of_a_class_of_its_own_is_one_row():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.first, self.second = layers.Dense(4), layers.Dense(2)

        def call(self, x):
            return self.second(self.first(x))

    model = Own()
    model(np.zeros((1, 3), np.float32))
    image = keras.Input((3,))
    found = measure(keras.Model(image, model(image)))
    assert found.total("macs") == 3 * 4 + 4 * 2
    assert found.total("params") == 16 + 10


def test_several_inputs_of_any_kind_are_taken():
    words, number = keras.Input((7,), dtype="int32", name="words"), keras.Input((2,), name="number")
    read = layers.GlobalAveragePooling1D()(layers.Embedding(9, 4)(words))
    model = keras.Model([words, number], layers.Dense(3)(layers.Concatenate()([read, number])))
    found = measure(model)
    assert found.inputs == {"words": (7,), "number": (2,)}
    assert found.total("macs") == 6 * 3


def test_a_free_side_is_asked_for_and_then_taken():
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.Conv2D(2, 1)(image), name="free")
    with pytest.raises(ValueError, match="'image' of free has the free shape .* --image-size"):
        measure(model)
    assert measure(model, (4, 6)).total("macs") == 24 * 2 * 3


def test_a_model_that_does_not_run_is_one_line():
    class Broken(layers.Layer):
        def call(self, x):
            if x.shape[0] == 1:  # not while Keras asks for its shape
                raise ValueError("no\nway")
            return x

        def compute_output_shape(self, shape):
            return shape

    image = keras.Input((3,))
    model = keras.Model(image, Broken()(image), name="broken")
    with pytest.raises(ExportError, match="broken does not run on one example: ValueError") as info:
        measure(model)
    assert "\n" not in str(info.value)
