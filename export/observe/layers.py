"""Run a Keras model, and take down what its layers give."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from export.contract import Batch, Contract, joined, part, rows
from export.errors import ExportError
from export.observe.base import Layer
from export.skeleton.keras_graph import called_with, functional, kind, layer_names, run_graph

DEPTHWISE = ("DepthwiseConv2D", "SeparableConv2D")  # only oneDNN has kernels of unequal strides
MUCH = 1 << 25  # bytes of activations
AT_ONCE = 2  # samples a run: eager Keras keeps every activation until the end


def run_model(model, contract: Contract, inputs: Batch) -> tuple[Batch, tuple[Layer, ...]]:
    """Return the outputs of the model by name, and the largest activation of each of its layers."""
    import keras

    names, seen, parts = layer_names(model), _Seen(), []

    def tap(operation):
        graph = functional(operation)
        if graph is not None:  # a model within the model
            return lambda x, **_: run_graph(graph, x, tap)
        name = names.get(operation, operation.name)

        def call(*args, **options):
            outputs = _called(operation, name, args, options)
            if hasattr(outputs, "dtype"):
                seen.take_down(name, outputs, in_first=not parts)
            return outputs

        return call

    graph = functional(model)
    for start in range(0, rows(inputs), AT_ONCE):
        batch = part(inputs, slice(start, start + AT_ONCE))
        given = [as_tensor(batch[tensor.name], tensor.dtype) for tensor in contract.inputs]
        made = run_graph(graph, given, tap) if graph else called_with(model, given)
        outputs = zip(contract.outputs, keras.tree.flatten(made), strict=True)
        parts.append({tensor.name: np.asarray(values) for tensor, values in outputs})
    return joined(parts), seen.layers()


def _in_a_file(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return float32 `arrays` as they are in a file without a name, which ends with the last.

    All are views of one mapping, which holds the file open: a process may have few open.
    """
    with tempfile.TemporaryFile() as file:
        for values in arrays:
            file.write(np.ascontiguousarray(values, np.float32).data)
        file.flush()
        mapped = np.memmap(file, np.float32, "r")
    ends = np.cumsum([values.size for values in arrays])
    return [
        mapped[end - values.size : end].reshape(values.shape)
        for values, end in zip(arrays, ends, strict=True)
    ]


def as_tensor(values: np.ndarray, dtype: str):
    """Numbers as they are; texts as a tensor, because Keras takes no arrays of them."""
    if dtype != "string":
        return values
    import tensorflow as tf

    return tf.constant(values.tolist(), tf.string)


def _called(operation, name: str, args, options):
    """Run an operation as at inference; raise ExportError if TensorFlow has no kernel for it."""
    import tensorflow as tf

    if getattr(operation, "_call_has_training_arg", False):
        options["training"] = False  # random flips, for one, train by default
    try:
        return operation(*args, **options)
    except tf.errors.OpError as error:
        if kind(operation) in DEPTHWISE and len(set(operation.strides)) > 1:
            return _in_groups(operation, *args)
        raise ExportError(
            f"layer {name} does not run in TensorFlow on this machine: {_own_words(error.message)}"
        ) from error


def _own_words(message: str) -> str:
    """Return what TensorFlow said, without what Keras wraps around it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    # Of a function that Keras calls, what was said stands before the line of its node.
    before = [said for said, node in pairwise(lines) if node.startswith("[[{{node ")]
    (said, *_) = [line for line in lines if "}} " in line] or before or lines
    return said.rpartition("}} ")[2].partition(" [Op:")[0]


def _in_groups(layer, x):
    """Do what a depthwise or separable convolution does as one in groups, a channel in each."""
    import tensorflow as tf

    alone = kind(layer) == "DepthwiseConv2D"
    kernel = tf.convert_to_tensor(layer.kernel if alone else layer.depthwise_kernel)
    kernel = tf.reshape(kernel, (*kernel.shape[:2], 1, -1))
    x = tf.nn.conv2d(x, kernel, layer.strides, layer.padding.upper())
    if not alone:
        x = tf.nn.conv2d(x, tf.convert_to_tensor(layer.pointwise_kernel), 1, "VALID")
    return layer.activation(x + layer.bias if layer.use_bias else x)


class _Seen:
    """What each layer gave; for the first sample in a file, where all of that is much.

    It is in memory again only where it is looked at, which few exports do. Files have no names and
    are gone with the arrays. Without room for them everything stays in memory.
    """

    def __init__(self):
        self._layers: dict[str, Layer] = {}
        self._in_memory: list[str] = []  # layers by name
        self._bytes = 0  # of those in memory
        self._has_room = True

    def layers(self) -> tuple[Layer, ...]:
        return tuple(self._layers.values())

    def take_down(self, name: str, outputs, *, in_first: bool) -> None:
        """Keep what one call of a layer gave; `in_first` if that was for the first batch of inputs.

        Only floats are kept: nothing is rounded in others.
        """
        values = np.asarray(outputs)
        if values.dtype.kind != "f" or not values.size:
            return
        before, largest = self._layers.get(name), peak(values)
        if before is not None:
            first = None if in_first else before.first  # it runs twice
            self._layers[name] = Layer(name, max(largest, before.largest), first)
            return
        first = values[:1].astype(np.float32)
        self._layers[name] = Layer(name, largest, first)
        self._in_memory.append(name)
        self._bytes += first.nbytes
        if self._bytes > MUCH and self._has_room:
            self._put_aside()

    def _put_aside(self) -> None:
        """Move to a file what is in memory."""
        layers = [
            layer
            for layer in (self._layers[name] for name in self._in_memory)
            if layer.first is not None
        ]
        try:
            mapped = _in_a_file([layer.first for layer in layers])
        except OSError:
            self._has_room = False
            return
        pairs = zip(layers, mapped, strict=True)
        self._layers |= {layer.name: replace(layer, first=first) for layer, first in pairs}
        self._in_memory, self._bytes = [], 0


def peak(values: np.ndarray) -> float:
    """Return the largest absolute value; NaN counts as infinite, because `max` may lose it."""
    peak = max(float(values.max()), -float(values.min()))  # which copies nothing
    return math.inf if math.isnan(peak) else peak
