"""SqueezeNet: eight fire modules between two convolutions, no dense layer.

Iandola et al. 2016, table 1 and section 3 (arXiv:1602.07360); version 1.1 is the authors' own
revision with 2.4 times fewer multiplications.
"""

import keras
from keras import layers

from keras_nets.blocks import Image, check_flavour, image_input
from keras_nets.catalog import NETS
from keras_nets.settings import own_settings

POOL = "pool"
PADDED = ("squeezenet1_1",)  # in paddle, before the first convolution
V1_0 = ((16, 64), (16, 64), (32, 128), POOL, (32, 128), (48, 192), (48, 192), (64, 256), POOL,
        (64, 256))  # fmt: skip
V1_1 = ((16, 64), (16, 64), POOL, (32, 128), (32, 128), POOL, (48, 192), (48, 192), (64, 256),
        (64, 256))  # fmt: skip


def squeezenet1_0(**options) -> keras.Model:
    """Build version 1.0: a 7x7 first convolution; options as for `squeezenet1_1`."""
    return _squeezenet("squeezenet1_0", 96, 7, V1_0, **options)


def squeezenet1_1(**options) -> keras.Model:
    """Build version 1.1: a 3x3 first convolution and earlier pooling.

    Options: `classes` (1000), `image` (height, width, channels), `flavour`. `torchvision` rounds
    pooled sizes up and does not pad the first convolution; `paddle` rounds down and pads by 1.
    """
    return _squeezenet("squeezenet1_1", 64, 3, V1_1, **options)


@own_settings()
def _squeezenet(
    name: str,
    width: int,
    kernel: int,
    plan: tuple,
    *,
    image: Image = (224, 224, 3),
    classes: int = 1000,
    flavour: str = "paddle",
) -> keras.Model:
    """Map images (batch, *image) float32 to logits (batch, classes) float32, all >= 0."""
    check_flavour(name, flavour, ("paddle", "torchvision"))
    pool = _pool_rounding_up if flavour == "torchvision" else _pool

    x = inputs = image_input(name, image, smallest=NETS[name].smallest[flavour])
    if name in PADDED and flavour == "paddle":
        x = layers.ZeroPadding2D(1, name="conv1_pad")(x)
    x = layers.Conv2D(width, kernel, strides=2, activation="relu", name="conv1")(x)
    x = pool(x, "pool1")
    fire = 2
    for step in plan:
        if step == POOL:
            x = pool(x, f"pool{fire - 1}")
        else:
            x = _fire(x, *step, name=f"fire{fire}")
            fire += 1
    x = layers.Dropout(0.5, name="drop9")(x)
    x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="logits")(x), name=name)


def _fire(x, squeeze: int, expand: int, name: str):
    """Squeeze at 1x1, expand at 1x1 and 3x3, concatenate in that order.

    (batch, h, w, c) -> (batch, h, w, 2 * expand)

    Source: Iandola et al. 2016, section 3.2.
    """
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1")(x)
    one = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1")(x)
    three = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_expand3")(x)
    return layers.Concatenate(name=f"{name}_concat")([one, three])


def _pool(x, name: str):
    """Halve the grid, rounding down: (batch, h, w, c) -> (batch, (h - 1) // 2, (w - 1) // 2, c)."""
    return layers.MaxPooling2D(3, strides=2, name=name)(x)


def _pool_rounding_up(x, name: str):
    """Halve the grid, rounding up: (batch, h, w, c) -> (batch, h // 2, w // 2, c).

    After a ReLU no value is below zero, so zeros at the bottom and right are what a ceil-mode
    pool does with the window that hangs over the edge.
    """
    height, width = (1 - size % 2 for size in x.shape[1:3])
    if height or width:
        x = layers.ZeroPadding2D(((0, height), (0, width)), name=f"{name}_pad")(x)
    return _pool(x, name)
