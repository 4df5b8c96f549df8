"""Networks that take pictures: attention, mixers, masks, and layers that converters stumble on."""

import keras
from keras import layers

from keras_nets.zoo.filled import filled

SIDE, CLASSES = 32, 10


def _picture(side: int | None = SIDE, channels: int = 3, **options):
    return keras.Input((side, side, channels), **options)


def _classified(inputs, x, **options):
    """Return the model that classifies the features `x`, which are averaged if of a picture."""
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, **options)(x))


def _patches(x, width: int, size: int = 4):
    x = layers.Conv2D(width, size, strides=size)(x)
    return layers.Reshape((x.shape[1] * x.shape[2], width))(x)


@keras.saving.register_keras_serializable("zoo")
class Positions(layers.Layer):
    """Add a learnt vector for each place of a sequence."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x):
        return x + self.table


@filled
def vit():
    """Two blocks of attention over patches."""
    inputs = _picture()
    x = Positions()(_patches(inputs, 32))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 8)(y, y)])
        y = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(32)(y)])
    return _classified(inputs, layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x)))


@filled
def convmixer():
    """Depthwise and pointwise convolutions around residual additions."""
    inputs = _picture()
    x = layers.BatchNormalization()(layers.Conv2D(24, 4, strides=4, activation="gelu")(inputs))
    for _ in range(2):
        y = layers.DepthwiseConv2D(5, padding="same", activation="gelu")(x)
        x = layers.Add()([x, layers.BatchNormalization()(y)])
        x = layers.BatchNormalization()(layers.Conv2D(24, 1, activation="gelu")(x))
    return _classified(inputs, x)


@filled
def mlp_mixer():
    """Dense layers over patches and over channels in turns."""
    inputs = _picture()
    x = _patches(inputs, 32)
    for _ in range(2):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(x.shape[1])(layers.Dense(48, activation="gelu")(y))
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(32)(y)])
    return _classified(inputs, layers.GlobalAveragePooling1D()(x))


@filled
def unet():
    """A mask of the picture's own size, by pooling, transposed convolution and a shortcut."""
    inputs = _picture()
    across = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(across))
    x = layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()([across, x]))
    return keras.Model(inputs, layers.Conv2D(2, 1)(x))


@filled
def detector():
    """Boxes and scores of anchors on two scales, each in a list of its own."""
    inputs = _picture()
    x, boxes, scores = inputs, [], []
    for width in (12, 16):
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
        box, score = (layers.Conv2D(2 * n, 3, padding="same")(x) for n in (4, CLASSES))
        boxes.append(layers.Reshape((-1, 4))(box))
        scores.append(layers.Reshape((-1, CLASSES))(score))
    made = {"boxes": boxes, "scores": scores}
    return keras.Model(inputs, {key: layers.Concatenate(1)(one) for key, one in made.items()})


@filled
def any_size():
    """Pictures of any height and width."""
    inputs = _picture(None)
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu")(inputs)
    return _classified(inputs, layers.Conv2D(16, 3, activation="relu")(x))


@filled
def resnext():
    """Convolutions in groups, without a bias, before batch-norm."""
    inputs = _picture()
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    for stride in (1, 2):
        x = layers.Conv2D(16, 3, stride, padding="same", groups=4, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return _classified(inputs, x)


@filled
def group_norm():
    """GroupNormalization, which computes shapes as it runs."""
    inputs = _picture()
    x = layers.GroupNormalization(4)(layers.Conv2D(16, 3, strides=2)(inputs))
    return _classified(inputs, layers.Conv2D(8, 3)(layers.ReLU()(x)))


@filled
def uneven_strides():
    """Depthwise convolutions of unequal strides."""
    inputs = _picture()
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, strides=(2, 1), padding="same", activation="relu")(x)
    return _classified(inputs, layers.SeparableConv2D(12, 3, strides=(1, 2))(x))


@filled
def dilated_transpose():
    """A transposed convolution with gaps."""
    inputs = _picture()
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2DTranspose(8, 3, dilation_rate=2, padding="same", activation="relu")(x)
    return _classified(inputs, x)


@filled
def dilated_depthwise():
    """A depthwise convolution with gaps."""
    inputs = _picture()
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", activation="relu")(x)
    return _classified(inputs, x)


@filled
def channels_first():
    """Channels before rows and columns, for which TensorFlow has no kernel on a CPU."""
    inputs = keras.Input((3, SIDE, SIDE))
    x = layers.Conv2D(12, 3, padding="same", data_format="channels_first", name="first")(inputs)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.MaxPooling2D(data_format="channels_first")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


@filled
def gated():
    """Channels that are multiplied by what a sigmoid makes of their means, as in EfficientNet."""
    inputs = _picture()
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="swish")(inputs)
    for _ in range(3):
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(16, 1, activation="sigmoid")(
            layers.Conv2D(4, 1, activation="swish")(gate)
        )
        x = layers.Conv2D(16, 3, padding="same", activation="swish")(layers.Multiply()([x, gate]))
    return _classified(inputs, x)


@filled
def pixels():
    """Pixels of 0 to 255 as floats, which the network rescales and normalises itself."""
    inputs = _picture()
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Normalization(mean=[0.5, 0.45, 0.4], variance=[0.05, 0.05, 0.05])(x)
    return _classified(inputs, layers.Conv2D(12, 3, strides=2, activation="relu")(x))


@filled
def whole_pixels():
    """Pixels of 0 to 255 as bytes."""
    inputs = _picture(dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    return _classified(inputs, layers.Conv2D(12, 3, strides=2, activation="relu")(x))


@filled
def probabilities():
    """A softmax at its end."""
    inputs = _picture()
    x = layers.Conv2D(12, 3, strides=2, activation="relu")(inputs)
    return _classified(inputs, x, activation="softmax")


@filled
def mixed_precision(policy: str = "mixed_float16"):
    """Layers that compute in 16 bits."""
    inputs = _picture()
    x = layers.Conv2D(12, 3, strides=2, dtype=policy)(inputs)
    x = layers.ReLU(dtype=policy)(layers.BatchNormalization(dtype=policy)(x))
    return _classified(inputs, x, dtype="float32")


@filled
def twins():
    """Two copies of one network, whose layers have the same names."""

    def trunk(name):
        inputs = _picture(name="image")
        x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv")(inputs)
        return keras.Model(inputs, layers.BatchNormalization(name="norm")(x), name=name)

    inputs = _picture()
    return _classified(inputs, layers.Add()([trunk("left")(inputs), trunk("right")(inputs)]))


@filled
def activations():
    """One activation of Keras after another."""
    inputs = _picture()
    x = layers.Conv2D(8, 3, strides=2)(inputs)
    names = (
        "elu selu celu gelu silu mish softplus softsign tanh hard_sigmoid hard_silu relu6 "
        "leaky_relu log_sigmoid exponential"
    )
    made = [layers.Activation(name)(x) for name in names.split()]
    made += [layers.PReLU(shared_axes=[1, 2])(x), layers.Softmax()(x)]
    return _classified(inputs, layers.Concatenate()(made))
