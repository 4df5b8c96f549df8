"""Find the nearest of some centres for each value in little memory: imported by scripts.

tensorflow-model-optimization makes an array of the distances of all values from all centres, twice.
For a large kernel that is many times the memory of the whole network.
"""

import keras2  # noqa: F401 (has Keras 2 taken, so it comes first)
import tensorflow as tf
from pruning import AT_ONCE
from tensorflow_model_optimization.python.core.clustering.keras.clustering_algorithm import (
    ClusteringAlgorithm,
)

_by_distances = ClusteringAlgorithm.get_pulling_indices


def have_little():
    """Have the library find the nearest centres for large kernels as `nearest` does."""
    ClusteringAlgorithm.get_pulling_indices = _nearest_of


def _nearest_of(algorithm, weight, centroids=None):
    if weight.shape.num_elements() <= AT_ONCE:
        return _by_distances(algorithm, weight, centroids)
    return nearest(weight, algorithm.cluster_centroids if centroids is None else centroids)


def nearest(weight, centres):
    """Return which of `centres` (n,) is nearest to each value, int64 in the shape of `weight`."""
    order = tf.argsort(centres)
    ordered = tf.gather(centres, order)
    borders = (ordered[1:] + ordered[:-1]) / 2
    places = tf.searchsorted(borders, tf.reshape(weight, [-1]))
    return tf.cast(tf.reshape(tf.gather(order, places), weight.shape), tf.int64)
