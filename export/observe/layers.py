"""Run a Keras model, and take down what its layers give."""

import math

import numpy as np

from export.errors import ExportError
from export.observe.base import Layer
from export.skeleton.keras_graph import functional, layer_names, run_graph

AT_ONCE = 2  # images a run: eager Keras keeps every activation until the end


def run_model(model, images: np.ndarray) -> tuple[np.ndarray, tuple[Layer, ...]]:
    """Return the logits of the model, and the largest activation of each of its layers."""
    import keras

    names, seen, parts = layer_names(model), {}, []

    def tap(operation):
        graph = functional(operation)
        if graph is not None:  # a model within the model
            return lambda x, **_: run_graph(graph, x, tap)
        name = names.get(operation, operation.name)

        def call(*args, **options):
            outputs = _called(operation, name, args, options)
            if hasattr(outputs, "dtype"):
                _take_down(seen, name, np.asarray(outputs), in_first=not parts)
            return outputs

        return call

    graph = functional(model)
    for start in range(0, len(images), AT_ONCE):
        batch = images[start : start + AT_ONCE]
        outputs = run_graph(graph, batch, tap) if graph else model(batch, training=False)
        (logits,) = keras.tree.flatten(outputs)
        parts.append(np.asarray(logits, np.float32))
    return np.concatenate(parts), tuple(seen.values())


def _called(operation, name: str, args, options):
    """Run an operation as at inference; raise ExportError if TensorFlow has no kernel for it."""
    import tensorflow as tf

    if getattr(operation, "_call_has_training_arg", False):
        options["training"] = False  # random flips, for one, train by default
    try:
        return operation(*args, **options)
    except tf.errors.OpError as error:
        why = error.message.strip().splitlines()[0].rpartition("}} ")[2]
        raise ExportError(
            f"layer {name} does not run in TensorFlow on this machine: {why}"
        ) from error


def _take_down(seen: dict[str, Layer], name: str, values: np.ndarray, *, in_first: bool) -> None:
    """Keep what one call of a layer gave; `in_first` if that was for the first batch of images."""
    before, largest = seen.get(name), peak(values)
    if before is None:
        seen[name] = Layer(name, largest, values[:1].astype(np.float32))
    else:
        first = None if in_first else before.first  # it runs twice
        seen[name] = Layer(name, max(largest, before.largest), first)


def peak(values: np.ndarray) -> float:
    """Return the largest absolute value; NaN counts as infinite, because `max` may lose it."""
    peak = float(np.abs(values).max())
    return math.inf if math.isnan(peak) else peak
