"""Run a Keras model on weights that are passed in, in the plainest TensorFlow ops.

Converters read plain ops best: Keras 3 reshapes every bias before adding it, which tf2onnx and
TF-TRT leave outside their fused convolutions, and its Flatten computes a shape at run time, which
splits a VGG into two TensorRT engines. Layers that are not in `LOWERED` run as Keras wrote them.
"""

from collections.abc import Mapping

import tensorflow as tf

from export.fold import Folded, is_float


def forward(model, folded: Folded, image, weights: Mapping[str, tf.Tensor]):
    """Logits (batch, classes) of `model` for `image` (batch, h, w, c), at inference.

    `weights` maps the names in `folded.weights` to tensors.
    """

    def run(operation):
        name = type(operation).__name__
        if getattr(operation, "name", None) in folded.gone:
            return lambda x, **_: x
        if hasattr(operation, "_run_through_graph"):
            return lambda x, **_: operation._run_through_graph(x, operation_fn=run)
        if name in LOWERED:
            lowered = LOWERED[name](operation, weights)
            if lowered:
                return lambda x, **_: lowered(x)
        if hasattr(operation, "stateless_call"):
            return _as_keras_wrote_it(operation, weights)
        return operation

    return run(model)(image)


def _as_keras_wrote_it(layer, weights):
    def values(variables):
        return [weights[v.path] if is_float(v) else v.value for v in variables]

    trainable, rest = values(layer.trainable_variables), values(layer.non_trainable_variables)

    def call(*args, **options):
        options.pop("training", None)
        if layer._call_has_training_arg:
            options["training"] = False
        return layer.stateless_call(trainable, rest, *args, **options)[0]

    return call


def _conv2d(layer, weights):
    if layer.data_format != "channels_last" or layer.groups != 1 or layer.padding == "causal":
        return None
    kernel = weights[layer.kernel.path]

    def call(x):
        x = tf.nn.conv2d(
            x, kernel, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate
        )
        return _biased(layer, weights, x)

    return call


def _dense(layer, weights):
    kernel = weights[layer.kernel.path]
    return lambda x: (
        _biased(layer, weights, tf.linalg.matmul(x, kernel))
        if len(x.shape) == 2
        else _as_keras_wrote_it(layer, weights)(x)
    )


def _biased(layer, weights, x):
    """Add the bias, the layer's own or a folded batch-norm's, and activate."""
    bias = layer.kernel.path.removesuffix("kernel") + "bias"
    if bias in weights:
        x = tf.nn.bias_add(x, weights[bias])
    return layer.activation(x)


def _scale_and_shift(norm, weights):
    axis, scale, shift = norm.axis, weights[f"{norm.path}/scale"], weights[f"{norm.path}/shift"]

    def call(x):
        if axis in (-1, len(x.shape) - 1):
            return x * scale + shift
        shape = [1] * len(x.shape)
        shape[axis] = -1
        return x * tf.reshape(scale, shape) + tf.reshape(shift, shape)

    return call


def _flatten(layer, _):
    if layer.data_format != "channels_last":
        return None

    def call(x):
        size = tf.TensorShape(x.shape[1:]).num_elements()
        return tf.reshape(x, (-1, size)) if size else layer(x)

    return call


def _identity(_layer, _weights):
    return lambda x: x


LOWERED = {
    "BatchNormalization": _scale_and_shift,
    "Conv2D": _conv2d,
    "Dense": _dense,
    "Dropout": _identity,
    "Flatten": _flatten,
}
