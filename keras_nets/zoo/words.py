"""Networks that take text, and look its words up in a table."""

import keras
from keras import layers

from keras_nets.zoo.filled import filled

VOCABULARY = ["good", "bad", "fine", "poor", "great", "awful", "nice", "dull", "warm", "cold"]


@filled
def text_vectorization():
    """Whole sentences, cut into words."""
    texts = keras.Input((), dtype="string", name="texts")
    ids = layers.TextVectorization(output_sequence_length=8, vocabulary=VOCABULARY)(texts)
    x = layers.GlobalAveragePooling1D()(layers.Embedding(len(VOCABULARY) + 2, 8)(ids))
    return keras.Model(texts, layers.Dense(2)(x))


@filled
def string_lookup():
    """A word in each of four places."""
    words = keras.Input((4,), dtype="string", name="words")
    ids = layers.StringLookup(vocabulary=VOCABULARY)(words)
    x = layers.Flatten()(layers.Embedding(len(VOCABULARY) + 1, 8)(ids))
    return keras.Model(words, layers.Dense(2)(x))


@filled
def integer_lookup():
    """Numbers of things, each looked up, beside a number."""
    things = keras.Input((3,), dtype="int64", name="things")
    ids = layers.IntegerLookup(vocabulary=[3, 1, 41, 59, 26, 5])(things)
    x = layers.Flatten()(layers.Embedding(7, 8)(ids))
    return keras.Model(things, layers.Dense(2)(x))
