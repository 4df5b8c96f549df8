"""Causal masks of attention as constants, where all lengths are known.

Keras makes them of the length of what it masks, which no engine of TF-TRT computes, and joins them
with a mask of the whole batch that is true everywhere.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from export.skeleton.graph import make_constant, producer

BAND, AND, CHOICE = "MatrixBandPart", "LogicalAnd", "SelectV2"


def fix_masks(graph, tensors: Mapping) -> None:
    """Write bands of known sizes in `graph` as constants, and leave out masks that are all true.

    `tensors` are its operations by name, with their shapes.
    """
    for node in graph.node:
        if node.op == BAND and _is_fixed(tensors[node.name]):
            make_constant(node, _band(tensors[node.name]))
    for node in graph.node:
        if node.op == AND and (other := _what_counts(tensors[node.name])):
            node.op = "Identity"
            node.input[:] = [node.input[other - 1]]
            node.attr["T"].type = tf.bool.as_datatype_enum


def _is_fixed(op) -> bool:
    """Whether a band is of a known size, and of one number."""
    (values, low, high), shape = op.inputs, op.outputs[0].shape
    numbers = [tf.get_static_value(one) for one in (low, high)]
    return shape.is_fully_defined() and None not in numbers and _repeated(values.op) is not None


def _band(op) -> np.ndarray:
    """The values of a band, as MatrixBandPart has them: fewer than none below or above are all."""
    low, high = (int(tf.get_static_value(one)) for one in op.inputs[1:])
    shape = op.outputs[0].shape.as_list()
    rows, columns = np.ogrid[: shape[-2], : shape[-1]]
    inside = ((low < 0) | (rows - columns <= low)) & ((high < 0) | (columns - rows <= high))
    value = _repeated(op.inputs[0].op)
    return np.broadcast_to(np.where(inside, value, np.zeros_like(value)), shape)


def _repeated(op):
    """The one number that an operation gives everywhere, or None."""
    while op.type == "Identity":
        op = op.inputs[0].op
    if op.type == "Fill":
        return tf.get_static_value(op.inputs[1])
    values = tf.get_static_value(op.outputs[0]) if op.type == "Const" else None
    if values is None or not values.size or (values != values.flat[0]).any():
        return None
    return values.flat[0]


def _what_counts(op) -> int:
    """Which of two masks counts, 1 or 2, where the other is true everywhere; else 0.

    Only choices may read it, because they make a mask as large as what they choose from.
    """
    readers = [reader for output in op.outputs for reader in output.consumers()]
    if not readers or any(not _as_large(reader, op.outputs[0]) for reader in readers):
        return 0
    for number, one in enumerate(op.inputs):
        value = _repeated(one.op)
        if value is not None and bool(value):
            return 2 - number
    return 0


def _as_large(reader, mask) -> bool:
    """Whether a choice has the shape of `mask` without it."""
    if reader.type != CHOICE or producer(reader.inputs[0].name) != mask.op.name:
        return False
    ranks = [one.shape.rank for one in reader.inputs[1:]]
    if None in ranks or mask.shape.rank is None:
        return False
    chosen = max(reader.inputs[1:], key=lambda one: one.shape.rank).shape.as_list()
    return chosen == mask.shape.as_list()
