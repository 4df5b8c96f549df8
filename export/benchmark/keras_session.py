"""A Keras model as a session: as `predict` runs it, or compiled as a whole."""

from importlib import import_module

import numpy as np

from export.runtimes.base import Batch, Session
from export.signatures import SIGNATURE
from export.skeleton.keras_graph import called_with
from export.skeleton.wrapped import functional_of


class KerasSession(Session):
    """Runs a model on arrays in the order of its inputs, and gives its outputs in their order."""

    def __init__(self, model, way: str):
        self._run = getattr(self, f"_{way}")(functional_of(model))

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        import keras

        made = keras.tree.flatten(self._run([*batch.values()]))
        return {
            f"output_{number}" if number else "output": np.asarray(values)
            for number, values in enumerate(made)
        }

    def close(self) -> None:
        self._run = None

    def _predict(self, model):
        import keras

        def call(given, training=False):
            rows = len(keras.tree.flatten(given)[0])
            return model.predict(given, batch_size=rows, verbose=0)

        return lambda values: called_with(model, values, call)

    def _jit(self, model):
        import tensorflow as tf

        compiled = tf.function(lambda given: called_with(model, given), jit_compile=True)
        return lambda values: compiled([tf.constant(one) for one in values])


def build_keras(builder: str, arguments: dict):
    """The model that the function named by `builder` returns for `arguments`."""
    module, _, function = builder.partition(":")
    built = getattr(import_module(module), function)(**arguments)
    return getattr(built, "model", built)


def open_keras(builder: str, arguments: dict, way: str) -> KerasSession:
    return KerasSession(build_keras(builder, arguments), way)
