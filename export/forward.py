"""Run a Keras model on weights that are passed in, in the plainest TensorFlow ops.

Converters read plain ops best: Keras 3 reshapes every bias before adding it, which tf2onnx and
TF-TRT leave outside their fused convolutions, and its Flatten and Reshape compute a shape at run
time, which splits a VGG into two TensorRT engines. Layers that are not in `LOWERED` run as Keras
wrote them.

The operations of a layer lie in a scope of its name, so that a tensor of an artifact can be told by
the layer that it comes from.
"""

import re
from collections.abc import Mapping

import keras
import tensorflow as tf

from export.fold import Folded, functional, has_its_kernel, is_float, kind


def forward(model, folded: Folded, image, weights: Mapping[str, tf.Tensor]):
    """Logits (batch, classes) of `model` for `image` (batch, h, w, c), at inference.

    `weights` maps the names in `folded.weights` to tensors.
    """

    def run(operation):
        if operation in folded.gone:
            return lambda x, **_: x
        graph = functional(operation)
        if graph is not None:
            return lambda x, **_: graph._run_through_graph(x, operation_fn=run)

        def call(*inputs, **options):
            with tf.name_scope(f"{scope(operation.name)}/"):  # also when it is called again
                return _plainest(operation, weights)(*inputs, **options)

        return call

    (logits,) = keras.tree.flatten(run(model)(image))  # a model may give it in a list or a dict
    return logits


def scope(layer: str) -> str:
    """The scope of names that the operations of the layer called `layer` lie in."""
    name = re.sub(r"[^A-Za-z0-9_.\-/]", "_", layer)
    if name in ("image", "logits"):  # the names of the graph's own input and output
        name += "_layer"
    return name if name[:1].isalnum() else f"layer{name}"


def _plainest(operation, weights):
    """A function that does what `operation` does, in the plainest way that is known."""
    lower = LOWERED.get(kind(operation))
    lowered = lower(operation, weights) if lower else None
    if lowered:
        return lambda x, **_: lowered(x)
    if hasattr(operation, "stateless_call"):
        return _as_keras_wrote_it(operation, weights)
    return operation


def _as_keras_wrote_it(layer, weights):
    def values(variables):
        return [weights[v.path] if is_float(v) else _constant(v) for v in variables]

    trainable, rest = values(layer.trainable_variables), values(layer.non_trainable_variables)

    def call(*args, **options):
        options.pop("training", None)
        if layer._call_has_training_arg:
            options["training"] = False
        return layer.stateless_call(trainable, rest, *args, **options)[0]

    return call


def _constant(variable):
    """What is no weight, such as an order of channels, becomes part of the graph."""
    with tf.init_scope():
        values = variable.numpy()
    return tf.constant(values)


def _conv2d(layer, weights):
    if layer.data_format != "channels_last" or layer.groups != 1 or not has_its_kernel(layer):
        return None
    kernel = weights[layer.kernel.path]

    def call(x):
        x = tf.nn.conv2d(
            x, kernel, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate
        )
        return _biased(layer, weights, x)

    return call


def _depthwise_conv2d(layer, weights):
    if not _is_plain_depthwise(layer):
        return None
    kernel = weights[layer.kernel.path]
    return lambda x: _biased(layer, weights, _depthwise(layer, x, kernel))


def _separable_conv2d(layer, weights):
    if not _is_plain_depthwise(layer):
        return None
    depthwise = weights[layer.depthwise_kernel.path]
    pointwise = weights[layer.pointwise_kernel.path]

    def call(x):
        x = tf.nn.conv2d(_depthwise(layer, x, depthwise), pointwise, 1, "VALID")
        return _biased(layer, weights, x)

    return call


def _is_plain_depthwise(layer) -> bool:
    """TensorFlow's depthwise convolution takes one stride for both axes."""
    return layer.data_format == "channels_last" and len(set(layer.strides)) == 1


def _depthwise(layer, x, kernel):
    strides, padding = (1, *layer.strides, 1), layer.padding.upper()
    return tf.nn.depthwise_conv2d(x, kernel, strides, padding, dilations=layer.dilation_rate)


def _dense(layer, weights):
    if not has_its_kernel(layer):
        return None
    kernel = weights[layer.kernel.path]

    def call(x):
        x = tf.linalg.matmul(x, kernel) if len(x.shape) == 2 else tf.tensordot(x, kernel, 1)
        return _biased(layer, weights, x)

    return call


def _biased(layer, weights, x):
    """Add the bias, the layer's own or a folded batch-norm's, and activate."""
    bias = layer.weights[0].path.rpartition("/")[0] + "/bias"
    if bias in weights:
        x = tf.nn.bias_add(x, weights[bias])
    return _plainest(layer.activation, weights)(x)  # which may be a layer


def _scale_and_shift(norm, weights):
    if f"{norm.path}/scale" not in weights:  # it lies within another layer, out of sight of `fold`
        return None
    axis, scale, shift = norm.axis, weights[f"{norm.path}/scale"], weights[f"{norm.path}/shift"]

    def call(x):
        if len(scale.shape) == 4:
            x = tf.nn.depthwise_conv2d(x, scale, (1, 1, 1, 1), "VALID")
            return tf.nn.bias_add(x, shift)
        if axis in (-1, len(x.shape) - 1):
            return x * scale + shift
        shape = [1] * len(x.shape)
        shape[axis] = -1
        return x * tf.reshape(scale, shape) + tf.reshape(shift, shape)

    return call


def _reshape(layer, _):
    if getattr(layer, "data_format", None) == "channels_first":
        return None

    def call(x):
        shape = layer.compute_output_shape(tuple(x.shape))[1:]
        return tf.reshape(x, (-1, *shape)) if None not in shape else layer(x)

    return call


def _identity(_layer, _weights):
    return lambda x: x


LOWERED = {
    "BatchNormalization": _scale_and_shift,
    "Conv2D": _conv2d,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise_conv2d,
    "Dropout": _identity,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "SeparableConv2D": _separable_conv2d,
}
