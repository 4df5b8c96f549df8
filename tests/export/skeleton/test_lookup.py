"""Tables that are a search in a graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export.observe.probes import inputs
from export.skeleton.lookup import SearchedTable, looked_up
from export.skeleton.tracing import trace

WORDS = ["good", "bad", "fine", "poor", "\N{GREEK SMALL LETTER ALPHA}", "two words"]
KEPT = {  # layers, and what to look up in each
    "words": (lambda: layers.StringLookup(vocabulary=WORDS), [["bad", "none"], ["", "two words"]]),
    "a mask": (
        lambda: layers.StringLookup(vocabulary=WORDS, mask_token="", num_oov_indices=3),
        [["", "fine"], ["other", "another"]],
    ),
    "counts": (
        lambda: layers.StringLookup(vocabulary=WORDS, output_mode="count"),
        [["bad", "bad", "poor"], ["x", "y", "good"]],
    ),
    "flags": (lambda: layers.TextVectorization(vocabulary=WORDS, output_mode="multi_hot"), ["bad"]),
    "numbers": (
        lambda: layers.IntegerLookup(vocabulary=[30, -1, 7, 2**40], num_oov_indices=2),
        [[7, 8], [-1, 2**40]],
    ),
    "one hot": (lambda: layers.IntegerLookup(vocabulary=[3, 1], output_mode="one_hot"), [[1], [9]]),
    "sentences": (
        lambda: layers.TextVectorization(vocabulary=WORDS, output_sequence_length=5),
        ["Good, bad; poor!", "of a longer text, seven words fine"],
    ),
    "any length": (lambda: layers.TextVectorization(vocabulary=WORDS), ["bad bad fine", "one"]),
    "pairs": (
        lambda: layers.TextVectorization(vocabulary=["bad", "bad fine"], ngrams=2),
        ["bad fine", "fine bad"],
    ),
    "weighed": (
        lambda: layers.TextVectorization(
            vocabulary=["bad", "fine"], idf_weights=[0.5, 2.0], output_mode="tf_idf"
        ),
        ["bad fine fine", "other"],
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_looked_up_is_what_keras_looks_up(name):
    layer, given = KEPT[name][0](), tf.constant(KEPT[name][1])
    searching = tf.function(lambda x: looked_up(layer, None)(x), autograph=False)
    np.testing.assert_array_equal(searching(given), layer(given))
    ops = {op.type for op in searching.get_concrete_function(given).graph.get_operations()}
    assert not [op for op in ops if "Table" in op], "nothing is left to fill when it loads"
    assert searching.get_concrete_function(given).structured_outputs.shape.rank is not None


def test_every_word_of_a_long_vocabulary_is_found():
    words = [f"word{n}" for n in range(5000)]
    layer = layers.StringLookup(vocabulary=words)
    table = SearchedTable(layer.lookup_table)
    np.testing.assert_array_equal(table.lookup(tf.constant(words)), range(1, 5001))
    np.testing.assert_array_equal(table.lookup(tf.constant(["word", ""])), layer(["word", ""]))


def test_probes_are_words_that_the_model_knows_and_some_that_it_does_not():
    words = keras.Input((4,), dtype="string", name="words")
    x = layers.Embedding(8, 3)(layers.StringLookup(vocabulary=WORDS)(words))
    skeleton = trace(keras.Model(words, layers.Dense(2)(layers.Flatten()(x))))
    made = inputs(skeleton, 0)["words"]
    assert made.shape == (8, 4) and made.dtype.kind == "U"
    known = np.isin(made, WORDS)
    assert known.any() and not known.all()


def test_probes_of_a_table_without_a_place_for_other_words_are_known_words():
    words = keras.Input((4,), dtype="string", name="words")
    x = layers.StringLookup(vocabulary=WORDS, num_oov_indices=0)(words)
    x = layers.Flatten()(layers.Embedding(8, 3)(x))
    made = inputs(trace(keras.Model(words, layers.Dense(2)(x))), 0)["words"]
    assert np.isin(made, WORDS).all()
