"""Networks of several inputs or outputs."""

import keras
from keras import layers

from keras_nets.zoo.filled import filled


def _trunk(side: int = 24):
    inputs = keras.Input((side, side, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(12)(x), name="trunk")


@filled
def two_inputs():
    """A picture, and a row of numbers beside it."""
    picture, numbers = keras.Input((24, 24, 3), name="picture"), keras.Input((4,), name="numbers")
    x = layers.Concatenate()([_trunk()(picture), numbers])
    return keras.Model([picture, numbers], layers.Dense(5)(x))


@filled
def two_outputs():
    """A class and a box, the one with a softmax and the other with a sigmoid at its end."""
    picture = keras.Input((24, 24, 3), name="picture")
    x = _trunk()(picture)
    kind, box = layers.Dense(5, activation="softmax"), layers.Dense(4, activation="sigmoid")
    return keras.Model(picture, {"kind": kind(x), "box": box(x)})


@filled
def siamese():
    """How far two pictures are apart, by the same network on both."""
    inputs = {name: keras.Input((24, 24, 3), name=name) for name in ("left", "right")}
    trunk = _trunk()
    apart = layers.Subtract()([trunk(one) for one in inputs.values()])
    return keras.Model(inputs, layers.Dense(1)(keras.ops.square(apart)))


@filled
def nested():
    """Inputs and outputs in lists within dicts, among them ids, flags and half precision."""
    ids = keras.Input((6,), dtype="int64", name="ids")
    flags = keras.Input((6,), dtype="bool", name="flags")
    half = keras.Input((5,), dtype="float16", name="half")
    x = layers.Flatten()(layers.Embedding(20, 4)(ids))
    x = layers.Concatenate()([x, keras.ops.cast(flags, "float32"), layers.Dense(4)(half)])
    made = {"heads": [layers.Dense(3)(x), layers.Dense(2)(x)], "mean": keras.ops.mean(x, axis=-1)}
    return keras.Model({"first": [ids, flags], "second": half}, made)
