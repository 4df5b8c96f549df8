"""Networks that are made in other ways: of a class of one's own, quantised, of bare operations."""

import keras
from keras import layers, ops

from keras_nets.zoo.filled import filled


@keras.saving.register_keras_serializable("zoo")
class OwnModel(keras.Model):
    """A model of a class of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = layers.Conv2D(12, 3, strides=2, name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.last = layers.Dense(5, name="last")

    def call(self, image, training=False):
        x = ops.relu(self.norm(self.conv(image), training=training))
        return self.last(ops.mean(x, axis=(1, 2)))


def _stack():
    return [
        layers.Conv2D(12, 3, strides=2, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5),
    ]


@filled
def subclassed():
    """A model of a class of its own, which has run once."""
    model = OwnModel()
    model(ops.zeros((1, 24, 24, 3)))
    return model


def subclassed_fresh():
    """The same, before it has run."""
    return OwnModel(name="subclassed_fresh")


@filled
def sequential():
    """A Sequential that has run, but says nowhere what it takes."""
    model = keras.Sequential(_stack())
    model(ops.zeros((1, 24, 24, 3)))
    return model


def sequential_fresh():
    """The same, before it has run."""
    return keras.Sequential(_stack(), name="sequential_fresh")


def _wide():
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(12, 3, strides=2, activation="relu")(inputs)
    x = layers.Dense(32, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(5)(x))


def quantized(mode: str = "int8"):
    """A network whose dense layers Keras has quantised."""
    model = filled(_wide)()
    model.name = f"quantized_{mode}"
    model.quantize(mode)
    return model


@filled
def lora():
    """A dense layer with an addition of low rank to its kernel."""
    model = _wide()
    model.layers[-2].enable_lora(2)
    return model


@filled
def bare_operations():
    """keras.ops between layers, of which some are called like layers."""
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(12, 3, strides=2)(inputs)
    x = ops.reshape(ops.relu(x), (-1, x.shape[1] * x.shape[2], 12))
    x = ops.concatenate([ops.mean(x, axis=1), ops.max(x, axis=1)], axis=-1)
    x = ops.einsum("bi,bj->bij", x[:, :4], x[:, 4:8])
    return keras.Model(inputs, layers.Dense(5)(ops.reshape(x, (-1, 16))))


@filled
def spectral():
    """Kernels that are divided by their norm."""
    inputs = keras.Input((24, 24, 3))
    x = layers.SpectralNormalization(layers.Conv2D(8, 3, strides=2, activation="relu"))(inputs)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


@filled
def augmented():
    """Layers that change pictures in training alone, and one that resizes them."""
    inputs = keras.Input((24, 24, 3))
    x = layers.RandomContrast(0.2)(layers.RandomFlip()(layers.Rescaling(1 / 255)(inputs)))
    x = layers.Conv2D(8, 3, activation="relu")(layers.Resizing(16, 16)(x))
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))
