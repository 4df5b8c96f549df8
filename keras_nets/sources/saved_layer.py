"""A SavedModel's serving signature as a Keras layer, its variables as weights."""

import keras
import tensorflow as tf

from keras_nets.sources.saved_graph import SavedGraph

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"  # ends keys of checkpoints of TensorFlow 2


class SavedModelLayer(keras.layers.Layer):
    """Computes what the signature of a SavedModel computes.

    Takes tensors in the order of the signature's names, and returns a dict of outputs by name.
    """

    def __init__(self, saved: SavedGraph, **options):
        super().__init__(**options)
        self._saved = saved
        self._held = {key: self._weight(key, values) for key, values in saved.values.items()}
        self.built = True
        self._run = tf.function(self._import, autograph=False)

    def _weight(self, key: str, values):
        name = key.removesuffix(SUFFIX).replace("/", ".")
        weight = self.add_weight(
            name=name,
            shape=values.shape,
            dtype=values.dtype.name,
            initializer="zeros",
            trainable=values.dtype.kind == "f",
        )
        weight.assign(values)
        return weight

    def call(self, *inputs):
        values = [tf.convert_to_tensor(self._held[key]) for key in self._saved.variables.values()]
        return self._run(list(inputs), values)

    def _import(self, inputs, values):
        saved = self._saved
        places = [spec.name for spec in saved.inputs.values()] + list(saved.variables)
        tensors = {
            f"{name}:0": tensor for name, tensor in zip(places, [*inputs, *values], strict=True)
        }
        graph = tf.compat.v1.GraphDef(versions=saved.graph.versions)
        graph.library.CopyFrom(saved.graph.library)
        graph.node.extend(node for node in saved.graph.node if node.name not in places)
        found = tf.graph_util.import_graph_def(graph, tensors, [*saved.outputs.values()], name="")
        return dict(zip(saved.outputs, found, strict=True))


def as_model(saved: SavedGraph, name: str) -> keras.Model:
    """Return a model of the signature's inputs and outputs; one output stands alone."""
    inputs = {
        key: keras.Input(
            tuple(spec.shape[1:]), batch_size=spec.shape[0], dtype=spec.dtype.name, name=key
        )
        for key, spec in saved.inputs.items()
    }
    outputs = SavedModelLayer(saved, name="saved_model")(*inputs.values())
    if len(outputs) == 1:
        (outputs,) = outputs.values()
    one = len(inputs) == 1
    return keras.Model(next(iter(inputs.values())) if one else inputs, outputs, name=name)
