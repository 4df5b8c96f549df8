"""A Keras model as a session: as `predict` runs it, or compiled as a whole."""

from importlib import import_module

import numpy as np

from export.runtimes.base import Batch, Session
from export.signatures import SIGNATURE


class KerasSession(Session):
    """Runs a model of one input and one output."""

    def __init__(self, model, way: str):
        self._run = getattr(self, f"_{way}")(model)

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        (values,) = batch.values()
        return {"output": np.asarray(self._run(values))}

    def close(self) -> None:
        self._run = None

    def _predict(self, model):
        return lambda values: model.predict(values, batch_size=len(values), verbose=0)

    def _jit(self, model):
        import tensorflow as tf

        compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)
        return lambda values: compiled(tf.constant(values))


def build_keras(builder: str, arguments: dict):
    """The model that the function named by `builder` returns for `arguments`."""
    module, _, function = builder.partition(":")
    built = getattr(import_module(module), function)(**arguments)
    return getattr(built, "model", built)


def open_keras(builder: str, arguments: dict, way: str) -> KerasSession:
    return KerasSession(build_keras(builder, arguments), way)
