"""Look words and numbers up without a table, which an artifact would have to fill when it loads.

A table is a search here: keys in the order of their fingerprints (numbers in their own), beside
what each is looked up as. The key that is found is compared, so a foreign word with the fingerprint
of another is still foreign. All of it is constants and operations that only compute.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from export.contract import Contract
from export.skeleton.keras_graph import functional, kind, nodes, tables, with_table

FINGERPRINTS = 2**63 - 1  # FarmHash64 modulo this
POOL, FOREIGN = 64, 8  # values of an input that probes draw from, and how many no table has
PHRASE = 6  # words, at most


class SearchedTable:
    """What stands in for a layer's `lookup_table`, filled with the same keys and values."""

    def __init__(self, table):
        keys, values = (tensor.numpy() for tensor in table.export())
        order = np.argsort(marks := self._marks(keys).numpy(), kind="stable")
        if len(np.unique(marks)) < len(marks):
            raise ValueError(
                "two words of a vocabulary have the same fingerprint, so they could not be told "
                "apart; look them up before the model"
            )
        self._sorted, self._keys, self._values = marks[order], keys[order], values[order]
        self._default = values.dtype.type(table.default_value.numpy())

    def lookup(self, keys):
        """Return what each of `keys` is looked up as, a tensor of their shape."""
        marks = tf.reshape(self._marks(keys), (-1,))
        places = tf.searchsorted(tf.constant(self._sorted), marks)
        places = tf.reshape(tf.minimum(places, len(self._keys) - 1), tf.shape(keys))
        found = tf.equal(tf.gather(tf.constant(self._keys), places), keys)
        return tf.where(found, tf.gather(tf.constant(self._values), places), self._default)

    @staticmethod
    def _marks(keys):
        keys = tf.convert_to_tensor(keys)
        if keys.dtype != tf.string:
            return keys
        return tf.strings.to_hash_bucket_fast(keys, FINGERPRINTS)


def looked_up(layer, _weights):
    """Return a function that looks up what `layer` does; one of forward's LOWERED."""
    with tf.init_scope():
        searching = with_table(layer, SearchedTable)

    def call(x):
        # Counting words loses the shape of what it gives.
        return tf.ensure_shape(searching.call(x), layer.compute_output_shape(tuple(x.shape)))

    return call


def pools(model, contract: Contract) -> dict[str, tuple]:
    """Return, for each input that is looked up, values of which some are found and some are not."""
    graph, found = functional(model), {}
    if graph is None:
        return found
    for tensor, given in zip(contract.inputs, graph.inputs, strict=True):
        for layer in _lookups(graph, given):
            found[tensor.name] = _pool(layer)
    return found


def _lookups(graph, tensor) -> Iterator:
    """Yield the layers that look `tensor` itself up, also in nested models."""
    for node in nodes(graph):
        for at, one in enumerate(node.input_tensors):
            inner = functional(node.operation)
            if one is tensor and inner is not None:
                yield from _lookups(inner, inner.inputs[at])
            elif one is tensor and tables(node.operation):
                yield node.operation


def _pool(layer) -> tuple:
    random = np.random.RandomState(0)
    known = [one for one in layer.get_vocabulary(include_special_tokens=False)][: 4 * POOL]
    if kind(layer) == "TextVectorization":
        return tuple(
            " ".join(random.choice(known, random.randint(1, PHRASE + 1))) for _ in range(POOL)
        )
    if not layer.num_oov_indices:  # it raises an error for what it does not know
        return tuple(known)
    foreign = type(known[0])("0") if isinstance(known[0], str) else max(known) + 1
    found = tuple(known[at] for at in random.randint(0, len(known), POOL - FOREIGN))
    return (*found, *[foreign] * FOREIGN)
