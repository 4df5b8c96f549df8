"""Run a Keras model on weights that are passed in, in the plainest TensorFlow ops.

Converters read plain ops best: Keras 3 reshapes every bias before adding it, which tf2onnx and
TF-TRT leave outside their fused convolutions, and its Flatten and Reshape compute a shape at run
time, which splits a VGG into two TensorRT engines. Layers that are not in `LOWERED` run as Keras
wrote them.

The operations of a layer lie in a scope of its name, so that each tensor of an artifact shows which
layer it comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import tensorflow as tf

from export.skeleton.fold import KERNEL_LAYERS, Folded, is_float, is_plain
from export.skeleton.keras_graph import (
    as_taken,
    called_with,
    functional,
    has_mask,
    kind,
    layer_names,
    run_graph,
    scope,
    takes_training,
    with_mask,
)
from export.skeleton.lookup import looked_up


@dataclass(frozen=True)
class Weights:
    """Tensors for the weights of a folded network."""

    folded: Folded
    tensors: Mapping[str, tf.Tensor]

    def of(self, variable):
        """Return the tensor for a Keras variable that is an unchanged weight."""
        return self.tensors[self.folded.name(variable)]

    def made(self, layer) -> dict:
        """Return the tensors that folding made for `layer`, by kind; {} if it made none."""
        return {what: self.tensors[name] for what, name in self.folded.made.get(layer, {}).items()}

    def kernel_and_bias(self, layer) -> tuple:
        """Return the kernel, and the bias or None, of a layer that `is_plain`."""
        made = self.made(layer)
        if made:
            return made["kernel"], made["bias"]
        return self.of(layer.kernel), self.of(layer.bias) if layer.use_bias else None


def forward(model, folded: Folded, inputs: list, weights: Mapping[str, tf.Tensor]) -> list:
    """Return the outputs of `model` for its `inputs`, at inference; both flat, as Keras has them.

    `weights` maps the names in `folded.weights` to tensors.
    """
    names, own = layer_names(model), Weights(folded, weights)

    def run(operation):
        if operation in folded.gone:
            return lambda x, **_: x
        graph = functional(operation)
        if graph is not None:
            return lambda x, **_: run_graph(graph, x, run)
        path = scope(names.get(operation, operation.name))

        def call(*inputs, **options):
            with tf.name_scope(f"{path}/"):  # also when it is called again
                return _plainest(operation, own)(*as_taken(operation, inputs), **options)

        return call

    graph = functional(model)
    if graph is not None:
        return keras.tree.flatten(run_graph(graph, inputs, run))
    return keras.tree.flatten(called_with(model, inputs, run(model)))


def _plainest(operation, weights):
    """Return a function that does what `operation` does, in the plainest TensorFlow operations."""
    lower = LOWERED.get(kind(operation))
    lowered = lower(operation, weights) if lower else None
    if lowered and kind(operation) in COMPUTING:
        return lambda x, **_: with_mask(operation, x, lowered(tf.cast(x, tf.float32)))
    if lowered:
        return lambda x, **_: with_mask(operation, x, lowered(x))
    if hasattr(operation, "stateless_call"):
        return _as_keras_wrote_it(operation, weights)
    return operation


def _as_keras_wrote_it(layer, weights):
    def values(variables):
        return [weights.of(v) if is_float(v) else _constant(v) for v in variables]

    trainable, rest = values(layer.trainable_variables), values(layer.non_trainable_variables)

    variables = [*layer.trainable_variables, *layer.non_trainable_variables]
    held = list(zip(variables, [*trainable, *rest], strict=True))

    def call(*args, **options):
        options.pop("training", None)
        if takes_training(layer):
            options["training"] = False
        if has_mask(args):  # which only a call of the layer itself hands on
            with keras.StatelessScope(state_mapping=held):
                return layer(*args, **options)
        return layer.stateless_call(trainable, rest, *args, **options)[0]

    return call


def _constant(variable):
    """Return the values of a variable that is not a weight, such as an order of channels."""
    with tf.init_scope():
        values = variable.numpy()
    return tf.constant(values)


def _conv(layer, weights):
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)
    convolve = _convolve_3d if len(kernel.shape) == 5 else _convolve
    # TensorFlow merges a BiasAdd into the convolution, and what it makes knows no groups.
    add = _biased if layer.groups == 1 or bias is None else tf.add
    return lambda x: _activated(layer, weights, add(convolve(layer, x, kernel), bias))


def _convolve(layer, x, kernel):
    """Convolve, also in groups, which TensorFlow infers from a kernel with fewer channels.

    Keras compiles these with XLA, which servers have switched off.
    """
    convolve = tf.nn.conv2d if len(kernel.shape) == 4 else tf.nn.convolution
    padding, dilations = layer.padding.upper(), layer.dilation_rate
    return convolve(x, kernel, layer.strides, padding, dilations=dilations)


def _convolve_3d(layer, x, kernel):
    """Convolve each group by itself, because TensorFlow has no grouped 3D convolution on a CPU."""
    if layer.groups == 1:
        return _convolve(layer, x, kernel)
    parts, kernels = (tf.split(tensor, layer.groups, -1) for tensor in (x, kernel))
    return tf.concat([_convolve(layer, *pair) for pair in zip(parts, kernels, strict=True)], -1)


def _depthwise_conv2d(layer, weights):
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)
    return lambda x: _activated(layer, weights, _biased(_depthwise(layer, x, kernel), bias))


def _separable_conv2d(layer, weights):
    if layer.data_format != "channels_last":
        return None
    depthwise, pointwise = weights.of(layer.depthwise_kernel), weights.of(layer.pointwise_kernel)
    bias = weights.of(layer.bias) if layer.use_bias else None

    def call(x):
        x = tf.nn.conv2d(_depthwise(layer, x, depthwise), pointwise, 1, "VALID")
        return _activated(layer, weights, _biased(x, bias))

    return call


def _depthwise(layer, x, kernel):
    """Convolve depthwise, also with unequal strides, which TensorFlow's own refuses."""
    rows, columns = layer.strides
    padding, dilations = layer.padding.upper(), layer.dilation_rate
    if rows == columns:
        strides = (1, rows, columns, 1)
        return tf.nn.depthwise_conv2d(x, kernel, strides, padding, dilations=dilations)
    if padding == "SAME":
        axes = zip(x.shape[1:3], kernel.shape[:2], layer.strides, dilations, strict=True)
        pads = [_same(*axis) for axis in axes]
        x = tf.pad(x, [(0, 0), *pads, (0, 0)])
    x = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "VALID", dilations=dilations)
    return x[:, ::rows, ::columns]


def _same(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the rows that the padding SAME adds before and after an axis of `length`."""
    reach = (size - 1) * dilation + 1
    both = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return both // 2, both - both // 2


def _dense(layer, weights):
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)

    def call(x):
        x = tf.linalg.matmul(x, kernel) if len(x.shape) == 2 else tf.tensordot(x, kernel, 1)
        return _activated(layer, weights, _biased(x, bias))

    return call


def _biased(x, bias):
    return x if bias is None else tf.nn.bias_add(x, bias)


def _activated(layer, weights, x):
    return _plainest(layer.activation, weights)(x)  # which may be a layer


def _scale_and_shift(norm, weights):
    made = weights.made(norm)
    if not made:  # it lies within another layer, out of sight of `fold`
        return None
    axis, scale, shift = norm.axis, made["scale"], made["shift"]

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


# Keras multiplies whole numbers with weights as floats.
COMPUTING = (*KERNEL_LAYERS, "BatchNormalization", "SeparableConv2D")


def _identity(_layer, _weights):
    return lambda x: x


LOWERED = {
    "IntegerLookup": looked_up,
    "StringLookup": looked_up,
    "TextVectorization": looked_up,
    "BatchNormalization": _scale_and_shift,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Conv3D": _conv,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise_conv2d,
    "Dropout": _identity,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "SeparableConv2D": _separable_conv2d,
}
