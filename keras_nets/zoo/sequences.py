"""Networks over time and space: text as ids, sound, films."""

import keras
from keras import layers

from keras_nets.zoo.filled import filled

WORDS, TIME = 100, 24


def _ids(length: int | None):
    return keras.Input((length,), dtype="int32", name="ids")


@filled
def lstm_text(length: int | None = TIME):
    """Ids of words, those of zero masked, through an LSTM."""
    ids = _ids(length)
    x = layers.LSTM(16)(layers.Embedding(WORDS, 12, mask_zero=True)(ids))
    return keras.Model(ids, layers.Dense(3)(x))


@filled
def gru_text(length: int | None = None):
    """Texts of any length through a GRU, both ways."""
    ids = _ids(length)
    x = layers.Bidirectional(layers.GRU(12))(layers.Embedding(WORDS, 12)(ids))
    return keras.Model(ids, layers.Dense(3)(x))


@filled
def transformer_text(length: int = TIME):
    """Attention that looks at earlier words only, and gives the next word at each place."""
    ids = _ids(length)
    x = layers.Embedding(WORDS, 16)(ids)
    y = layers.LayerNormalization()(x)
    attended = layers.MultiHeadAttention(2, 8)(y, y, use_causal_mask=True)
    x = layers.Add()([x, attended])
    return keras.Model(ids, layers.Dense(WORDS)(layers.Dense(32, activation="gelu")(x)))


@filled
def audio(length: int = 400):
    """Sound: convolutions along time."""
    sound = keras.Input((length, 1), name="sound")
    x = layers.Conv1D(8, 9, strides=4, padding="same", activation="relu")(sound)
    x = layers.BatchNormalization()(layers.Conv1D(12, 5, dilation_rate=2, padding="causal")(x))
    x = layers.MaxPooling1D(2)(layers.SeparableConv1D(12, 5, activation="relu")(x))
    return keras.Model(sound, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


@filled
def film():
    """A film: convolutions along time, height and width."""
    inputs = keras.Input((8, 16, 16, 3), name="film")
    x = layers.Conv3D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv3D(12, 3, strides=2, activation="relu")(layers.MaxPooling3D(2)(x))
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling3D()(x)))


@filled
def conv_lstm():
    """An LSTM whose gates are convolutions, over a film."""
    inputs = keras.Input((4, 12, 12, 3), name="film")
    x = layers.ConvLSTM2D(6, 3)(inputs)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


@filled
def each_frame():
    """The same network on every frame of a film."""
    inputs = keras.Input((4, 12, 12, 3), name="film")
    x = layers.TimeDistributed(layers.Conv2D(6, 3, activation="relu"))(inputs)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))
