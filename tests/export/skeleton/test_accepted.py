"""Models that cannot be exported are refused, with what to do."""

import keras
import numpy as np
import pytest
from keras import layers

from export.skeleton.accepted import accept


def functional(inputs, outputs):
    return keras.Model(inputs, outputs, name="wrong")


def image(*shape):
    return keras.Input(shape or (8, 8, 3))


def pooled(x):
    return layers.GlobalAveragePooling2D()(x)


def test_a_model_that_gives_rows_for_any_number_of_images_is_refused():
    inputs = image()
    rows = keras.ops.reshape(pooled(layers.Conv2D(5, 3)(inputs)), (2, 5))
    with pytest.raises(ValueError, match="one row of logits for each of its inputs, and"):
        accept(functional(inputs, rows))


def test_a_sequential_model_without_an_input_is_told_to_be_built():
    with pytest.raises(ValueError, match="build it: model.build"):
        accept(keras.Sequential([layers.Flatten(), layers.Dense(5)]))


@pytest.mark.parametrize("layer", [layers.Conv2D(4, 3), layers.MaxPooling2D(2)])
def test_channels_first_is_refused_by_the_layer_s_name(layer):
    config = layer.get_config() | {"data_format": "channels_first", "name": "turned"}
    inputs = image(3, 8, 8)
    with pytest.raises(ValueError, match="layer turned takes channels first, for which TensorFlow"):
        accept(functional(inputs, type(layer).from_config(config)(inputs)))


def test_a_model_of_one_s_own_class_is_refused_with_what_to_do():
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = layers.Dense(5)

        def call(self, image):
            return self.dense(pooled(image))

    model = Own()
    model(np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="wrap it"):
        accept(model)


@pytest.mark.parametrize("dtype", ["mixed_float16", "float16", "mixed_bfloat16"])
def test_a_model_that_computes_in_16_bits_is_refused(dtype):
    inputs, conv = image(), layers.Conv2D(4, 3, dtype=dtype, name="conv")
    with pytest.raises(ValueError, match="conv computes in b?float16, and artifacts"):
        accept(functional(inputs, pooled(conv(inputs))))


@pytest.mark.parametrize("kind", ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"])
def test_a_transposed_convolution_with_gaps_is_refused_by_its_name(kind):
    rank = int(kind[4])
    inputs = keras.Input((*[8] * rank, 3))
    x = getattr(layers, kind)(4, 3, dilation_rate=2, name="wider")(inputs)
    with pytest.raises(ValueError, match="layer wider is a transposed convolution with gaps"):
        accept(keras.Model(inputs, x))


def test_a_table_that_gives_words_is_refused_by_its_name():
    ids = keras.Input((3,), dtype="int64")
    words = layers.StringLookup(vocabulary=["a", "b"], invert=True, name="speak")(ids)
    with pytest.raises(ValueError, match="layer speak gives text, .* look the words up after it"):
        accept(keras.Model(ids, words))


def test_a_layer_that_keeps_its_state_is_refused_by_its_name():
    inputs = keras.Input(batch_shape=(2, 4, 3))
    x = layers.LSTM(4, stateful=True, name="memory")(inputs)
    with pytest.raises(ValueError, match="layer memory keeps its state .* stateful=False"):
        accept(keras.Model(inputs, x))
