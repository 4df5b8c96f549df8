"""Networks of keras.applications whose batch-norms have met pictures.

Weights of a seed alone leave some deep networks so near to chaos that 16 bits move their logits by
more than half a standard deviation, which no trained network does.
"""

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from keras_nets.weights.seeded import seed_weights

PICTURES = 2  # that the statistics are taken of


def application(network: str, side: int):
    """The network called so, with weights of a seed and statistics of pictures of noise."""
    model = getattr(keras.applications, network)(weights=None, input_shape=(side, side, 3))
    seed_weights(model, seed=1)
    norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # what is met last is what counts
    noise = np.random.default_rng(1).standard_normal((PICTURES, side, side, 3))
    settle = tf.function(partial(model, training=True), autograph=False)
    settle(noise.astype(np.float32))  # as a graph, which lets go of each activation after its use
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model
