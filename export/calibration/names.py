"""What ranges are called in a report: the layer whose output they are of, or else the tensor."""

from collections.abc import Iterable, Mapping

from export.skeleton.keras_graph import scope

Span = tuple[float, float]


def by_layer(ranges: Mapping[str, Span], tensors: Iterable[str]) -> dict[str, Span]:
    """Call the range of the last of `tensors`, in running order, in each scope by that scope."""
    last = {scope_of(tensor): tensor for tensor in tensors}
    last.pop("", None)
    called = {tensor: scope for scope, tensor in last.items()}
    return {called.get(tensor, tensor): tuple(span) for tensor, span in ranges.items()}


def range_of(ranges: Mapping[str, Span], tensor: str) -> Span | None:
    """The range of a tensor among those that `by_layer` gave; None where there is none."""
    span = ranges.get(tensor, ranges.get(scope_of(tensor)))
    return None if span is None else (float(span[0]), float(span[1]))


def overlaid(
    ranges: Mapping[str, Span], learned: Mapping[str, Span], tensors: Iterable[str]
) -> dict[str, Span]:
    """`ranges` of tensors, with those that layers have `learned` in the place of their outputs'.

    The network's own input and output, which lie in no layer, have learnt theirs by their names; a
    layer that is called as one of them lies in a scope of another name.
    """
    last = {scope_of(tensor): tensor for tensor in tensors}
    last.pop("", None)
    found = {}
    for name, span in learned.items():
        own = {name} & ranges.keys() | {last[one] for one in (name, scope(name)) if one in last}
        found |= dict.fromkeys(own, tuple(span))
    return {**ranges, **found}


def scope_of(tensor: str) -> str:
    """The scope that a tensor lies in, empty where it lies in none."""
    return tensor.rpartition("/")[0]
