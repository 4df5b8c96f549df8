"""How far tensors of a changed graph are from values that are known, found while the graph runs.

All the layers of a network together take far more memory than a run of it, so no layer is kept:
what counts is taken of each when it has been computed.
"""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from export.networks.known import Known
from export.skeleton.graph import add_constant, copied, make_placeholder, producer


def with_differences(graph, tensors: Sequence[str], known: Sequence[Known]) -> tuple:
    """Return a copy of `graph` that compares, what to fetch of it, and what to feed it.

    What is fetched is, of each of `tensors`, what `moves` takes; what is fed are the values that
    are `known` of them, by the names of placeholders, or the files that these are read from when
    it is their turn.
    """
    graph, fetched, fed = copied(graph), [], {}
    for number, (tensor, own) in enumerate(zip(tensors, known, strict=True)):
        name = f"differences/{number}"
        if own.value is None:
            fed |= _read(graph, f"{name}/known", own, after=tensor)
        else:
            fed[f"{name}/known"] = own.value
            make_placeholder(graph.node.add(name=f"{name}/known"), own.dtype, own.shape)
        kind = {"T": tf.float64 if own.dtype == tf.float64 else tf.float32}
        sides = [f"{name}/known", tensor]
        if own.dtype != kind["T"]:
            kinds = {"SrcT": own.dtype, "DstT": kind["T"]}
            sides = [
                _added(graph, "Cast", f"{name}/{at}", [s], **kinds) for at, s in enumerate(sides)
            ]
        apart = _added(graph, "Sub", f"{name}/apart", sides, **kind)
        size = _added(graph, "Abs", f"{name}/size", [apart], **kind)
        axes = add_constant(graph, f"{name}/axes", np.arange(own.shape.rank, dtype=np.int32))
        finite = _added(graph, "IsFinite", f"{name}/finite", [size], **kind)
        fetched += [
            _added(graph, "Max", f"{name}/largest", [size, axes], **kind, Tidx=tf.int32),
            _added(graph, "All", f"{name}/all", [finite, axes], Tidx=tf.int32),
        ]
    return graph, fetched, fed


def moves(found: Sequence[np.ndarray], known: Sequence[Known]) -> list[float]:
    """Return the largest difference of each tensor, in standard deviations; infinite if it is NaN.

    Those are of what is `known`, or 1 where a tensor has none.
    """
    ends = zip(found[::2], found[1::2], known, strict=True)
    moved = [float(most) / (own.spread or 1.0) if finite else np.inf for most, finite, own in ends]
    return [one if np.isfinite(one) else float("inf") for one in moved]


def _read(graph, name: str, known: Known, after: str) -> dict[str, tf.Tensor]:
    """Add `name`, the values in a file, read when `after` is there; return what to feed for it."""
    file = f"{name}/file"  # fed, because what is read of a constant is made a constant
    make_placeholder(graph.node.add(name=file), tf.string, tf.TensorShape([]))
    turn = [file, f"^{producer(after)}"]
    content = _added(graph, "ReadFile", f"{name}/content", turn)
    numbers = _added(graph, "DecodeRaw", f"{name}/numbers", [content], out_type=known.dtype)
    shape = add_constant(graph, f"{name}/shape", np.array(known.shape, np.int32))
    _added(graph, "Reshape", name, [numbers, shape], T=known.dtype, Tshape=tf.int32)
    return {file: tf.constant(os.fsencode(known.path))}


def _added(graph, op: str, name: str, inputs: Sequence[str], **kinds: tf.DType) -> str:
    made = graph.node.add(op=op, name=name, input=inputs)
    for key, kind in kinds.items():
        made.attr[key].type = kind.as_datatype_enum
    return name
