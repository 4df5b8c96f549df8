"""DarkNet-53: residual stages of 1x1 and 3x3 convolutions, each with batch-norm.

Redmon and Farhadi 2018, table 1 (arXiv:1804.02767).
"""

import keras
from keras import layers

from keras_nets.blocks import Image, check_flavour, image_input
from keras_nets.catalog import NETS
from keras_nets.settings import own_settings


@own_settings()
def darknet53(
    *, image: Image = (256, 256, 3), classes: int = 1000, flavour: str = "paddle"
) -> keras.Model:
    """Map images (batch, *image) float32 to logits (batch, classes) float32.

    The activation is a ReLU in `paddle` and leaks 0.1 of the negative side in `darknet`.
    """
    check_flavour("darknet53", flavour, ("paddle", "darknet"))
    leak = 0.1 if flavour == "darknet" else 0.0

    x = inputs = image_input("darknet53", image, smallest=NETS["darknet53"].smallest[flavour])
    x = _conv(x, 32, 3, leak=leak, name="conv1")
    for stage, (width, blocks) in enumerate(NETS["darknet53"].stages, start=1):
        x = _conv(x, width, 3, strides=2, leak=leak, name=f"stage{stage}_down")
        for block in range(1, blocks + 1):
            x = _residual(x, width, leak=leak, name=f"stage{stage}_{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="darknet53")


def _residual(x, width: int, *, leak: float, name: str):
    """Add a 1x1 and a 3x3 convolution to their input: (batch, h, w, width) -> the same."""
    y = _conv(x, width // 2, 1, leak=leak, name=f"{name}_conv1")
    y = _conv(y, width, 3, leak=leak, name=f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([x, y])


def _conv(x, width: int, kernel: int, *, strides: int = 1, leak: float, name: str):
    """Convolve, normalise, rectify: (batch, h, w, c) -> (batch, h / strides, w / strides, width).

    A stride of 2 pads by 1 on every side; Keras' "same" would pad the far side only.
    """
    if strides == 2:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    padding = "valid" if strides == 2 else "same"
    x = layers.Conv2D(width, kernel, strides, padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_bn")(x)
    if leak:
        return layers.LeakyReLU(negative_slope=leak, name=f"{name}_act")(x)
    return layers.ReLU(name=f"{name}_act")(x)
