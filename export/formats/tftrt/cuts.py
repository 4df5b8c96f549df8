"""Cuts of a tensor along one axis, as TF-TRT takes them."""

import numpy as np
import tensorflow as tf

from export.skeleton.graph import add_constant

INT32 = tf.int32.as_datatype_enum


def cut(graph, name: str, source: str, axis: int, span, kind: int, *, shrink=False) -> str:
    """Add a cut of `source` along one axis, from and to the numbers of `span`; return its name.

    `kind` is TensorFlow's number of the type; with `shrink` the axis, then of length 1, is gone.
    """
    made, lasts = graph.node.add(name=name, op="StridedSlice"), np.zeros(axis + 1, np.int32)
    begin, end = lasts.copy(), lasts.copy()
    begin[axis], end[axis] = span
    made.input.extend([
        source,
        add_constant(graph, f"{name}/begin", begin),
        add_constant(graph, f"{name}/end", end),
        add_constant(graph, f"{name}/step", lasts + 1),
    ])  # fmt: skip
    whole = (1 << axis) - 1
    made.attr["begin_mask"].i = made.attr["end_mask"].i = whole
    made.attr["shrink_axis_mask"].i = 1 << axis if shrink else 0
    made.attr["ellipsis_mask"].i = made.attr["new_axis_mask"].i = 0
    made.attr["T"].type, made.attr["Index"].type = kind, INT32
    return name


def join(graph, node, parts: list[str], axis: int, kind: int) -> str:
    """Make `node` the parts one after the other along an axis; return its name."""
    node.op = "ConcatV2"
    node.attr.clear()
    node.attr["N"].i, node.attr["T"].type, node.attr["Tidx"].type = len(parts), kind, INT32
    node.input[:] = [*parts, add_constant(graph, f"{node.name}/joined_along", np.int32(axis))]
    return node.name
