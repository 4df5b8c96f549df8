"""Convolutions in the plainest TensorFlow operations, from the weights of a network.

Each function here takes a layer and `Weights`, and returns what the layer does to a tensor before
its activation; or None where the layer is to run as Keras wrote it. What has one axis runs as an
image of one row, because converters know convolutions of images best.
"""

import tensorflow as tf

from export.skeleton.fold import is_plain


def convolution(layer, weights):
    """Return the convolution of a Conv1D, Conv2D or Conv3D."""
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)
    convolve = {3: _of_rows, 4: _convolve, 5: _convolve_3d}[len(kernel.shape)]
    # TensorFlow merges a BiasAdd into the convolution, and what it makes knows no groups.
    add = biased if layer.groups == 1 or bias is None else tf.add
    return lambda x: add(convolve(layer, x, kernel), bias)


def depthwise(layer, weights):
    """Return the convolution of a DepthwiseConv1D or DepthwiseConv2D."""
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)
    return lambda x: biased(_of_any_rank(_depthwise, layer, x, kernel), bias)


def separable(layer, weights):
    """Return the two convolutions of a SeparableConv1D or SeparableConv2D."""
    if layer.data_format != "channels_last" or not isinstance(layer.padding, str):
        return None
    kernel, pointwise = weights.of(layer.depthwise_kernel), weights.of(layer.pointwise_kernel)
    bias = weights.of(layer.bias) if layer.use_bias else None

    def both(_, x, kernel, *axes):
        points = pointwise if len(pointwise.shape) == 4 else tf.expand_dims(pointwise, 0)
        return tf.nn.conv2d(_depthwise(layer, x, kernel, *axes), points, 1, "VALID")

    return lambda x: biased(_of_any_rank(both, layer, x, kernel), bias)


def biased(x, bias):
    return x if bias is None else tf.nn.bias_add(x, bias)


def _of_any_rank(convolve, layer, x, kernel):
    """Convolve an image; or rows, as images of one row."""
    if len(kernel.shape) == 4:
        return convolve(layer, x, kernel, layer.strides, layer.dilation_rate)
    axes = [(1, *axis) for axis in (layer.strides, layer.dilation_rate)]
    made = convolve(layer, tf.expand_dims(x, 1), tf.expand_dims(kernel, 0), *axes)
    return tf.squeeze(made, 1)


def _of_rows(layer, x, kernel):
    return _of_any_rank(_convolve, layer, x, kernel)


def _convolve(layer, x, kernel, strides=None, dilations=None):
    """Convolve, also in groups, which TensorFlow infers from a kernel with fewer channels.

    Keras compiles these with XLA, which servers have switched off. Groups of one channel each are
    depthwise, as which every converter knows them.
    """
    strides, dilations = strides or layer.strides, dilations or layer.dilation_rate
    if layer.padding == "causal":
        before = (kernel.shape[1] - 1) * dilations[1]
        x, padding = tf.pad(x, [(0, 0), (0, 0), (before, 0), (0, 0)]), "VALID"
    else:
        padding = layer.padding.upper()
    if layer.groups > 1 and kernel.shape[2] == 1 and set(dilations) == {1}:
        kernel = tf.reshape(kernel, (*kernel.shape[:2], layer.groups, -1))
        return _depthwise(layer, x, kernel, strides, dilations)
    return tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations)


def _convolve_3d(layer, x, kernel):
    """Convolve each group by itself, because TensorFlow has no grouped 3D convolution on a CPU."""

    def convolve(x, kernel):
        padding, dilations = layer.padding.upper(), layer.dilation_rate
        return tf.nn.convolution(x, kernel, layer.strides, padding, dilations=dilations)

    if layer.groups == 1:
        return convolve(x, kernel)
    parts, kernels = (tf.split(tensor, layer.groups, -1) for tensor in (x, kernel))
    return tf.concat(list(map(convolve, parts, kernels)), -1)


def _depthwise(layer, x, kernel, strides, dilations):
    """Convolve depthwise, also with unequal strides, which TensorFlow's own refuses."""
    rows, columns = strides
    # A causal layer has padded by itself.
    padding = "VALID" if layer.padding == "causal" else layer.padding.upper()
    if rows == columns:
        strides = (1, rows, columns, 1)
        return tf.nn.depthwise_conv2d(x, kernel, strides, padding, dilations=dilations)
    if padding == "SAME":
        axes = zip(x.shape[1:3], kernel.shape[:2], strides, dilations, strict=True)
        pads = [_same(*axis) for axis in axes]
        x = tf.pad(x, [(0, 0), *pads, (0, 0)])
    x = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "VALID", dilations=dilations)
    return x[:, ::rows, ::columns]


def _same(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the rows that the padding SAME adds before and after an axis of `length`."""
    reach = (size - 1) * dilation + 1
    both = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return both // 2, both - both // 2


CONVOLUTIONS = {
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv3D": convolution,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
    "SeparableConv1D": separable,
    "SeparableConv2D": separable,
}
