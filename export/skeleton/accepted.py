"""Refuse models that cannot be exported, in one line and before any work."""

import numpy as np

from export.contract import Contract
from export.skeleton.declared import declared
from export.skeleton.full_precision import halves
from export.skeleton.keras_graph import all_layers, kind, tables

# TensorFlow has no kernels for these on a CPU where channels come first.
CHANNELS_LAST = ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling")


def accept(model) -> Contract:
    """Return what `model` takes and gives, and what an artifact of it will.

    Raises ValueError for a model that cannot be exported.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if inputs is None and type(model).__name__ == "Sequential":
        raise ValueError(
            "a Sequential model without an Input does not tell what it takes; build it: "
            "model.build((None, height, width, channels)), with the shape of its input"
        )
    if inputs is None:
        raise ValueError(
            "a model of a class of its own does not tell what it takes; wrap it: "
            "keras.Model(x, model(x)), where x is a keras.Input of the shape and dtype of its input"
        )
    if not inputs or not outputs:
        raise ValueError("a model to export has at least one input and one output")
    for tensor in (*inputs, *outputs):
        _refuse_tensor(tensor)
    for output in outputs:
        _refuse_text(output)
    _refuse_one_batch(inputs, outputs)
    for layer in halves(model):
        raise ValueError(
            f"{layer.name} computes in {layer.compute_dtype}, and artifacts are made of "
            "networks in float32; build the model with layers of the dtype float32 and give "
            "it these weights"
        )
    for layer in all_layers(model):
        _refuse_layer(layer)
    return declared(model)


def _refuse_tensor(tensor) -> None:
    if tensor.shape is None or not len(tensor.shape):
        raise ValueError(
            f"{tensor.name} has no axis for the batch, so no artifact could serve it; give it one"
        )
    if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
        raise ValueError(f"{tensor.name} is sparse or ragged, and artifacts are dense; densify it")


def _refuse_text(output) -> None:
    if str(output.dtype) == "string":
        raise ValueError(
            f"the model gives text as {output.name}, which no check can compare as numbers; export "
            "it up to the ids, and look the words up after it"
        )


def _refuse_one_batch(inputs, outputs) -> None:
    """Refuse outputs that have another number of rows than the inputs."""
    for output in outputs:
        if inputs[0].shape[0] is None and output.shape[0] is not None:
            raise ValueError(
                f"a model to export gives one row of {_named(output)} for each of its inputs, and "
                f"this one gives {output.shape[0]} for any number of them; look at what it reshapes"
            )


def _named(tensor) -> str:
    return "logits" if len(tensor.shape) == 2 else "each output"


def _refuse_layer(layer) -> None:
    if tables(layer) and getattr(layer, "invert", False):
        raise ValueError(
            f"layer {layer.name} gives text, which no check can compare as numbers; export the "
            "model up to it, and look the words up after it"
        )
    if getattr(layer, "stateful", False):
        raise ValueError(
            f"layer {layer.name} keeps its state from one call to the next (stateful=True), and an "
            "artifact answers each request by itself; build it with stateful=False"
        )
    first = getattr(layer, "data_format", None) == "channels_first"
    if first and kind(layer).startswith(CHANNELS_LAST):
        raise ValueError(
            f"layer {layer.name} takes channels first, for which TensorFlow has no kernel on a "
            "CPU; build the model with data_format='channels_last' and give it these weights"
        )
    gaps = getattr(layer, "dilation_rate", 1)
    if kind(layer).endswith("Transpose") and np.max(gaps) > 1:
        raise ValueError(
            f"layer {layer.name} is a transposed convolution with gaps (dilation_rate {gaps}), for "
            "which TensorFlow itself has no kernel on a CPU, only oneDNN; build it without gaps, "
            "or of UpSampling and a plain convolution"
        )
