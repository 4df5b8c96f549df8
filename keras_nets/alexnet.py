"""AlexNet, in the layout of "One weird trick": five convolutions under three dense layers.

Krizhevsky 2014 (arXiv:1404.5997). No groups and no local response normalisation.
"""

import keras
from keras import layers

from keras_nets.blocks import Image, check_flavour, image_input
from keras_nets.catalog import NETS
from keras_nets.settings import own_settings


@own_settings()
def alexnet(
    *, image: Image = (224, 224, 3), classes: int = 1000, flavour: str = "paddle"
) -> keras.Model:
    """Map images (batch, *image) float32 to logits (batch, classes) float32.

    The flavours `paddle` and `torchvision` share this graph.
    """
    check_flavour("alexnet", flavour, ("paddle", "torchvision"))

    x = inputs = image_input("alexnet", image, smallest=NETS["alexnet"].smallest[flavour])
    # Symmetric padding: Keras' "same" would pad the stride-4 convolution one-sidedly.
    x = layers.ZeroPadding2D(2, name="conv1_pad")(x)
    x = layers.Conv2D(64, 11, strides=4, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = layers.Conv2D(192, 5, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.Conv2D(256, 3, padding="same", activation="relu", name="conv4")(x)
    x = layers.Conv2D(256, 3, padding="same", activation="relu", name="conv5")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for index in (6, 7):
        x = layers.Dropout(0.5, name=f"drop{index}")(x)
        x = layers.Dense(4096, activation="relu", name=f"fc{index}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="alexnet")
