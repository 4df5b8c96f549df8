"""Promises of a compression, each broken as little as it can be, in one kernel."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from export.compression.facts import GROUP, ZEROS
from export.compression.method import MOST_VALUES
from export.compression.promises import Promise
from export.gate.mutations import Mutation, Promised, Subject, from_the_middle
from export.networks.base import Edit

SHARES, MOST = (0.5, 0.9), 2 * MOST_VALUES  # of the largest value, where others are put
Break = Callable[[np.ndarray, Promise, bool], "np.ndarray | None"]


def _edits(subject: Subject, broken: Break) -> Iterator[Edit]:
    for one in from_the_middle(list(subject.promises)):
        values = broken(subject.network.read(one.kernel).copy(), one.promise, one.by_channel)
        if values is not None:
            yield Edit({one.kernel: values})


def _fill(values: np.ndarray, place: int) -> None:
    """Put at `place` the largest value of its output channel, which is there already."""
    channel = values[..., place % values.shape[-1]]
    values.flat[place] = channel.flat[np.abs(channel).argmax()] or np.abs(values).max()


def _fewer_zeros(values: np.ndarray, promise: Promise, by_channel: bool) -> np.ndarray | None:
    """One zero fewer than was promised."""
    zeros, wanted = np.flatnonzero(values == 0), promise.zeros_of(values.size)
    if not wanted:
        return None
    for place in zeros[: len(zeros) - wanted + 1]:
        _fill(values, place)
    return values


def _broken_group(values: np.ndarray, promise: Promise, by_channel: bool) -> np.ndarray | None:
    """One group of four that has three values, and as many zeros in all as before."""
    if not promise.pattern:
        return None
    *_, inputs, outputs = values.shape
    groups = values.reshape(-1, inputs // GROUP, GROUP, outputs)  # writes into `values`
    exact = np.argwhere((groups == 0).sum(axis=2) == ZEROS)
    if len(exact) < 2:
        return None
    (outer, group, channel), last = exact[0], exact[-1]
    own, other = groups[outer, group, :, channel], groups[last[0], last[1], :, last[2]]
    own[np.flatnonzero(own == 0)[0]] = own[np.abs(own).argmax()]
    other[np.flatnonzero(other)[0]] = 0
    return values


def _another_value(values: np.ndarray, promise: Promise, by_channel: bool) -> np.ndarray | None:
    """One distinct value more than was promised."""
    if promise.distinct is None:
        return None
    where = (..., _richest(values) if by_channel else slice(None))
    counted = values[where].flatten()
    held, first = np.unique(counted, return_index=True)
    counted[first] = 0  # one of each stays, and zeros too
    places = np.flatnonzero(counted)[: promise.distinct + 1 - held.size]
    fresh = np.setdiff1d(np.linspace(*SHARES, MOST, dtype=np.float32) * np.abs(held).max(), held)
    if held.size + len(places) <= promise.distinct:
        return None
    changed = values[where].flatten()
    changed[places] = fresh[: len(places)]
    values[where] = changed.reshape(values[where].shape)
    return values


def _richest(values: np.ndarray) -> int:
    """The output channel that has most distinct values."""
    return int(np.argmax([np.unique(values[..., at]).size for at in range(values.shape[-1])]))


BROKEN = (
    ("a zero too few", _fewer_zeros),
    ("a group of four broken", _broken_group),
    ("a distinct value too many", _another_value),
)
PROMISES = tuple(
    Mutation(name, "nothing of the kind was promised", partial(_edits, broken=how), of_model=True)
    for name, how in BROKEN
)


def promised(entries: list[dict]) -> tuple[Promised, ...]:
    """Return what `as_entry` made entries of."""
    return tuple(
        Promised(one["kernel"], Promise(**one["promise"]), one["by_channel"]) for one in entries
    )


def as_entry(one: Promised) -> dict:
    """Return the same as JSON holds it."""
    return {"kernel": one.kernel, "promise": vars(one.promise), "by_channel": one.by_channel}
