"""Ids stay within the smallest table that they are looked up in."""

import keras
from keras import layers

from export.skeleton.declared import declared
from export.skeleton.id_range import id_ranges


def test_the_smallest_table_counts_also_in_a_model_within_the_model():
    entry = keras.Input((7,), dtype="int32")
    inner = keras.Model(entry, layers.Embedding(30, 4)(entry), name="inner")
    ids, age = keras.Input((7,), dtype="int32", name="ids"), keras.Input((7,), name="age")
    both = layers.Concatenate()([layers.Embedding(90, 4)(ids), inner(ids + 0)])
    other = keras.Input((2,), dtype="int64", name="other")
    model = keras.Model([ids, age, other], [layers.Dense(2)(both), 2 * age, other + 1])
    assert id_ranges(model, declared(model)) == {"ids": 30}
