"""Run a Keras model on weights that are passed in, in the plainest TensorFlow ops.

Converters read plain ops best: Keras 3 reshapes every bias before adding it, which tf2onnx and
TF-TRT leave outside their fused convolutions, and its Flatten and Reshape compute a shape at run
time, which splits a VGG into two TensorRT engines. Layers that are not in `LOWERED` run as Keras
wrote them.

The operations of a layer lie in a scope of its name, so that each tensor of an artifact shows which
layer it comes from.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import keras
import tensorflow as tf

from export.skeleton.convolutions import CONVOLUTIONS, biased
from export.skeleton.fold import KERNEL_LAYERS, Folded, is_float, is_plain
from export.skeleton.keras_graph import (
    all_layers,
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
        with _lowered_within(layer, weights):
            if has_mask(args):  # which only a call of the layer itself hands on
                with keras.StatelessScope(state_mapping=held):
                    return layer(*args, **options)
            return layer.stateless_call(trainable, rest, *args, **options)[0]

    return call


class _Scoped(Weights):
    """The same for layers that another layer calls: it may have changed their weights."""

    def of(self, variable):
        return variable.value


@contextmanager
def _lowered_within(layer, weights):
    """Lower the layers that `layer` calls, too, while it is called."""
    inside = _Scoped(weights.folded, weights.tensors)
    inner = [one for one in all_layers(layer) if one is not layer and kind(one) in LOWERED]
    inner = [one for one in inner if "call" not in vars(one)]  # else an outer one did that
    for one in inner:
        object.__setattr__(one, "call", partial(_call_within, one, inside))
    try:
        yield
    finally:
        for one in inner:
            object.__delattr__(one, "call")


def _call_within(layer, weights, *args, **options):
    lowered = LOWERED[kind(layer)](layer, weights) if args else None
    if lowered is None:
        return type(layer).call(layer, *args, **options)
    x = args[0]
    return lowered(tf.cast(x, tf.float32) if kind(layer) in COMPUTING else x)


def _constant(variable):
    """Return the values of a variable that is not a weight, such as an order of channels."""
    with tf.init_scope():
        values = variable.numpy()
    return tf.constant(values)


def _convolution(layer, weights):
    convolve = CONVOLUTIONS[kind(layer)](layer, weights)
    return convolve and (lambda x: _activated(layer, weights, convolve(x)))


def _dense(layer, weights):
    if not is_plain(layer):
        return None
    kernel, bias = weights.kernel_and_bias(layer)

    def call(x):
        return _activated(layer, weights, biased(_product(x, kernel), bias))

    return call


def _product(x, kernel):
    """Multiply; tf.tensordot would compute shapes at run time, which TensorRT does not take."""
    return tf.linalg.matmul(x, kernel) if len(x.shape) > 1 else tf.tensordot(x, kernel, 1)


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


def _prelu(layer, weights):
    """Multiply the negative part by the slopes themselves: a weight with its sign changed is none
    that converters take."""
    alpha = weights.of(layer.alpha)
    return lambda x: tf.nn.relu(x) - alpha * tf.nn.relu(-x)


def _reshape(layer, _):
    if getattr(layer, "data_format", None) == "channels_first":
        return None

    def call(x):
        shape = layer.compute_output_shape(tuple(x.shape))[1:]
        return tf.reshape(x, (-1, *shape)) if None not in shape else layer(x)

    return call


def _each_step(layer, weights):
    """Run what a TimeDistributed holds on all steps at once, where Keras loops."""
    if kind(layer.layer) not in LOWERED:
        return None
    run = _plainest(layer.layer, weights)

    def call(x):
        if None in x.shape[2:]:
            return _as_keras_wrote_it(layer, weights)(x)
        made = run(tf.reshape(x, (-1, *x.shape[2:])))
        steps = tf.shape(x)[1] if x.shape[1] is None else x.shape[1]
        return tf.reshape(made, (-1, steps, *made.shape[1:]))

    return call


def _identity(_layer, _weights):
    return lambda x: x


# Keras multiplies whole numbers with weights as floats.
COMPUTING = (*KERNEL_LAYERS, "BatchNormalization", "PReLU", "SeparableConv1D", "SeparableConv2D")
LOWERED = {
    "IntegerLookup": looked_up,
    "StringLookup": looked_up,
    "TextVectorization": looked_up,
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    "BatchNormalization": _scale_and_shift,
    "Dense": _dense,
    "Dropout": _identity,
    "Flatten": _reshape,
    "PReLU": _prelu,
    "Reshape": _reshape,
    "TimeDistributed": _each_step,
}
