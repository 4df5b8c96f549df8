"""A model that says nowhere what it takes, as a functional model around it."""

import inspect
from collections.abc import Mapping

import numpy as np

from export.skeleton.keras_graph import all_layers, built_for, kind, tables

OF_WHOLE_NUMBERS = ("Embedding", "CategoryEncoding", "Hashing")
HOW = (
    "give it some inputs (images=... in Python, --inputs FILE.npz on the command line), or wrap "
    "it: keras.Model(x, model(x)), where x is a keras.Input of the shape and dtype of its input"
)


def functional_of(model, given: np.ndarray | Mapping[str, np.ndarray] | None = None):
    """Return `model` itself if it tells what it takes, else a functional model around it.

    What it takes is told by what it is `given`, an array or arrays by name, or else by the shape
    that it was first called with. Raises ValueError where neither tells enough.
    """
    if getattr(model, "inputs", None) is not None:
        return model
    if given is None:
        return _around(model, {"": (_first_shape(model), "float32")})
    arrays = given if isinstance(given, Mapping) else {"": np.asarray(given)}
    return _around(model, {name: (one.shape[1:], _dtype(one)) for name, one in arrays.items()})


def _dtype(values: np.ndarray) -> str:
    return "string" if values.dtype.kind in "OSU" else str(values.dtype)


def _first_shape(model) -> tuple[int | None, ...]:
    """The shape of one sample that `model` was first called with."""
    is_stack = kind(model) == "Sequential"
    what = f"{model.name}, {'a Sequential without an Input' if is_stack else 'of its own class'},"
    shape = built_for(model)
    if shape is None:
        raise ValueError(f"{what} does not tell what it takes; {HOW}")
    if not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError(f"{what} takes several tensors and does not tell their types; {HOW}")
    for layer in all_layers(model):
        if tables(layer) or kind(layer) in OF_WHOLE_NUMBERS:
            raise ValueError(
                f"{what} has the layer {layer.name}, so its input may be other than floats; {HOW}"
            )
    return tuple(shape[1:])


def _around(model, taken: Mapping[str, tuple]):
    """A functional model that calls `model`, with inputs of the names, shapes and types `taken`."""
    import keras

    inputs = {
        # Two operations of a functional model cannot have the same name.
        name: keras.Input(shape, dtype=dtype, name=name if name not in ("", model.name) else None)
        for name, (shape, dtype) in taken.items()
    }
    try:
        if len(inputs) == 1:
            (only,) = inputs.values()
            made = model(only)
        elif inputs.keys() <= inspect.signature(type(model).call).parameters.keys():
            made = model(**inputs)
        else:
            made = model(inputs)
    except Exception as error:  # a model's own code raises what it likes
        raise ValueError(
            f"{model.name} cannot be called on inputs of the shapes "
            f"{[shape for shape, _ in taken.values()]}: {' '.join(str(error).split())[:300]}"
        ) from error
    return keras.Model(inputs.get("", inputs), made, name=model.name)
