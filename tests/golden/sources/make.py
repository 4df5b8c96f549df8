"""Wrote keras2.h5, keras2.keras and keras2.npz, with tf_keras 2.21.0 on TensorFlow 2.21.0."""

import numpy as np
import tf_keras as keras

layers = keras.layers


def features() -> keras.Model:
    """What Keras 3 refuses of convolutional networks: `groups` of 1, an axis in a list."""
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.SeparableConv2D(5, 3)(x)
    x = layers.Conv2DTranspose(4, 2)(x)
    return keras.Model(image, x, name="features")


def whole() -> keras.Model:
    """A model within a model, a Sequential one too, attention with a keyword, and an LSTM."""
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Rescaling(2.0, offset=-1.0)(image)
    x = layers.Reshape((25, 4))(features()(x))
    x = layers.MultiHeadAttention(2, 3)(x, value=x)
    x = layers.LSTM(4)(x)
    ending = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="dense")], name="ending")
    return keras.Model(image, ending(x), name="older")


if __name__ == "__main__":
    model, draws = whole(), np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(draws.uniform(0.1, 0.6, variable.shape))
    images = draws.uniform(0, 1, (3, 8, 8, 3)).astype(np.float32)
    model.save("keras2.h5")
    model.save("keras2.keras")
    np.savez_compressed("keras2.npz", images=images, outputs=model(images))
