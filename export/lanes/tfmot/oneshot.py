"""Prune and cluster the values of one kernel as they are, without training: imported by scripts.

tensorflow-model-optimization clusters layers, so the values are put into a layer that does nothing
but hold them.
"""

import keras2  # noqa: F401 (has Keras 2 taken, so it comes first)
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from pruning import AT_ONCE, PATTERN, Pruned, channels

SAMPLE = 1 << 20  # values that seeds of clusters are drawn from
ROUNDS = 100  # of Lloyd's iterations at most; 16 clusters settle in about 30


class Holder(keras.layers.Layer, tfmot.clustering.keras.ClusterableLayer):
    """A layer that has a kernel and does nothing with it."""

    def __init__(self, values):
        super().__init__(name="holder")
        self._values = values

    def build(self, input_shape):
        def given(shape, dtype=None, **options):
            return self._values

        self.kernel = self.add_weight("kernel", self._values.shape, initializer=given)
        super().build(input_shape)

    def call(self, inputs):
        return inputs

    def get_clusterable_weights(self):
        return [("kernel", self.kernel)]


def prune(kernel, what):
    """Make a share of `kernel`, a variable, zero, or PATTERN along the axis before the last."""
    if what != PATTERN:
        _prune(kernel, what)
        return
    for one in channels(kernel.shape):  # because the arrays that it takes may not fit into memory
        part = tf.Variable(kernel[..., one])
        _prune(part, what)
        kernel[..., one].assign(part)


def _prune(kernel, what):
    share = 0.5 if what == PATTERN else what
    schedule = tfmot.sparsity.keras.ConstantSparsity(share, 0, frequency=1)
    Pruned(kernel, what, schedule).advance()


def cluster(values, count, keep_zeros):
    """Give `values` at most `count` distinct ones; with `keep_zeros` zeros alone stay zero.

    The seeds are k-means++ of tensorflow-model-optimization; Lloyd's iterations, which it leaves to
    training, move them to the means of what is nearest.
    """
    flat = values.reshape(-1)
    sample = flat[:: -(-flat.size // SAMPLE)]
    centres = _settled(_seeds(sample, count, keep_zeros), sample, keep_zeros)
    for start in range(0, flat.size, AT_ONCE):
        part = flat[start : start + AT_ONCE]
        flat[start : start + AT_ONCE] = np.where(
            keep_zeros & (part == 0), np.float32(0), _nearest(part, centres)
        )
    return flat.reshape(values.shape)


def _seeds(sample, count, keep_zeros):
    clustering = tfmot.clustering.keras
    wrapped = clustering.cluster_weights(
        Holder(sample),
        number_of_clusters=count,
        cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=keep_zeros,
    )
    wrapped.build((None, 1))
    seeds = np.unique(wrapped.cluster_centroids["kernel"].numpy())
    return seeds[seeds != 0] if keep_zeros else seeds


def _settled(centres, sample, keep_zeros):
    """The seeds moved to the means of the values that are nearest to them, again and again."""
    ordered = np.sort(sample[sample != 0] if keep_zeros else sample).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = centres.astype(np.float64)
    for _ in range(ROUNDS):
        borders = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], borders, [ordered.size]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, centres)
        if np.array_equal(moved, centres):
            break
        centres = np.sort(moved)
    return np.unique(centres.astype(np.float32))


def _nearest(values, centres):
    borders = (centres[1:] + centres[:-1]) / 2
    return centres[np.searchsorted(borders, values)]
