"""VGG: five stages of 3x3 convolutions under three dense layers.

Simonyan and Zisserman, ICLR 2015, table 1 (arXiv:1409.1556).
"""

import keras
from keras import layers

from keras_nets.blocks import Image, check_flavour, image_input
from keras_nets.catalog import NETS
from keras_nets.settings import own_settings


def vgg11(**options) -> keras.Model:
    """Build column A, eleven weight layers; options as for `vgg19`."""
    return _vgg("vgg11", **options)


def vgg13(**options) -> keras.Model:
    """Build column B, thirteen weight layers; options as for `vgg19`."""
    return _vgg("vgg13", **options)


def vgg16(**options) -> keras.Model:
    """Build column D, sixteen weight layers; options as for `vgg19`."""
    return _vgg("vgg16", **options)


def vgg19(**options) -> keras.Model:
    """Build column E, nineteen weight layers.

    Options: `classes` (1000), `image` (height, width, channels), `flavour`. The convolutions have
    biases in `torchvision` and none in `paddle`.
    """
    return _vgg("vgg19", **options)


@own_settings()
def _vgg(
    name: str,
    *,
    image: Image = (224, 224, 3),
    classes: int = 1000,
    flavour: str = "paddle",
) -> keras.Model:
    """Map images (batch, *image) float32 to logits (batch, classes) float32."""
    check_flavour(name, flavour, ("paddle", "torchvision"))
    conv = dict(kernel_size=3, padding="same", activation="relu", use_bias=flavour == "torchvision")

    x = inputs = image_input(name, image, smallest=NETS[name].smallest[flavour])
    for stage, (width, depth) in enumerate(NETS[name].stages, start=1):
        for index in range(1, depth + 1):
            x = layers.Conv2D(width, **conv, name=f"conv{stage}_{index}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    x = layers.Flatten(name="flatten")(x)
    for index in (6, 7):
        x = layers.Dense(4096, activation="relu", name=f"fc{index}")(x)
        x = layers.Dropout(0.5, name=f"drop{index}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)
