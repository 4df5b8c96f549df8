"""The network of a skeleton, with the weights that an artifact holds in their places."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from export.networks.sharing import room_for, shared
from export.networks.tensorflow import TensorFlowNetwork
from export.skeleton.keras_graph import scope
from export.skeleton.stores import Store
from export.skeleton.tracing import stand_in

FLOAT = tf.float32.as_datatype_enum


def rebuilt(
    skeleton: bytes,
    read: Callable[[str], np.ndarray],
    held: Mapping[str, str],
    stored: Callable[[str, np.ndarray], np.ndarray],
    ends: tuple[Iterable[str], Iterable[str]],
) -> TensorFlowNetwork:
    """The network that `skeleton`, a GraphDef, is with weights `read` by the artifact's names.

    `held` has these by Keras' names, in the order of the skeleton's weights. What is constant in
    the skeleton, by its node's name, is `stored` as the artifact stores it. `ends` are the names of
    its inputs and of its outputs.
    """
    graph = tf.compat.v1.GraphDef.FromString(skeleton)
    names = {stand_in(index): name for index, name in enumerate(held)}
    shapes = {
        node.name: [axis.size for axis in node.attr["shape"].shape.dim]
        for node in graph.node
        if node.op == "Placeholder"
    }
    # Formats keep some weights with other axes: ONNX joins the last two of a depthwise kernel.
    values = {
        holder: _tensor(read(held[name]).reshape(shapes[holder])) for holder, name in names.items()
    }
    for node in graph.node:
        if node.op == "Const" and node.attr["dtype"].type == FLOAT:
            _store(node, stored)
    inputs, outputs = ({name: f"{name}:0" for name in side} for side in ends)
    return TensorFlowNetwork(graph, inputs, outputs, values, names=names)


def _tensor(values: np.ndarray) -> tf.Tensor:
    """A tensor of a copy of float32 `values`; `tf.constant` holds each number twice for a while."""
    room = room_for(values.shape)
    room[...] = values
    return shared(room)


def rounding(store: Callable[[np.ndarray], Store], kept: Iterable[str]):
    """Return what a format leaves of a constant, by its node's name: all in the layers `kept`."""
    apart = tuple(f"{scope(layer)}/" for layer in kept)

    def stored(name: str, values: np.ndarray) -> np.ndarray:
        exact = apart and name.startswith(apart)
        return values if exact else store(values).rounded(values)

    return stored


def _store(node, stored) -> None:
    values = tf.make_ndarray(node.attr["value"].tensor)
    other = stored(node.name, values)
    if other is not values:
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(other, tf.float32))
