"""Refuse what `export_model` and `verify` cannot be called with."""

import warnings
from pathlib import Path

PATHS = (str, Path)


def need_model(model, caller: str) -> None:
    """Raise ValueError for what is plainly no Keras model, such as the path of one."""
    if not callable(model):
        raise ValueError(
            f"{caller} takes a Keras model, such as keras_nets.load_weights or "
            f"keras.saving.load_model gives. Received: {model!r:.80}"
        )


def in_order(model, folder) -> tuple:
    """Return a model and the folder of its artifact, whichever comes first.

    Swapped ones are warned of; ValueError where either of them is something else.
    """
    if isinstance(model, PATHS) and not isinstance(folder, PATHS):
        text = "verify takes the model first and then the folder; swap them, and this goes away"
        warnings.warn(text, FutureWarning, stacklevel=3)
        model, folder = folder, model
    need_model(model, "verify")
    if not isinstance(folder, PATHS):
        raise ValueError(
            "verify takes a model and then the folder of its artifact, such as exports/vgg13/onnx. "
            f"Received: {folder!r:.80} for the folder"
        )
    return model, folder
