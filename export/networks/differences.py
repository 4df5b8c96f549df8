"""How far tensors of a changed graph are from values that are known, found while the graph runs.

All the layers of a network together take far more memory than a run of it, so no layer is kept:
what counts is taken of each when it has been computed.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from export.skeleton.graph import add_constant, copied, make_placeholder


def with_differences(graph, tensors: Sequence[str], known: Sequence[tf.Tensor]) -> tuple:
    """Return a copy of `graph` that compares, what to fetch of it, and what to feed it.

    What is fetched is, of each of `tensors`, what `moves` takes; what is fed are the values that
    are `known` of them, by the names of placeholders.
    """
    graph, fetched, fed = copied(graph), [], {}
    for number, (tensor, own) in enumerate(zip(tensors, known, strict=True)):
        name = f"differences/{number}"
        fed[f"{name}/known"] = own
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


def moves(found: Sequence[np.ndarray], spreads: Sequence[float]) -> list[float]:
    """Return the largest difference of each tensor, in standard deviations; infinite if it is NaN.

    Those are `spreads`, or 1 where a tensor has none.
    """
    ends = zip(found[::2], found[1::2], spreads, strict=True)
    moved = [float(most) / (spread or 1.0) if finite else np.inf for most, finite, spread in ends]
    return [one if np.isfinite(one) else float("inf") for one in moved]


def _added(graph, op: str, name: str, inputs: Sequence[str], **kinds: tf.DType) -> str:
    made = graph.node.add(op=op, name=name, input=inputs)
    for key, kind in kinds.items():
        made.attr[key].type = kind.as_datatype_enum
    return name
