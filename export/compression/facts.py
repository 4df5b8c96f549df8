"""What the values of a kernel show: how many are zero, in which pattern, how many are distinct."""

from dataclasses import dataclass

import numpy as np

GROUP, ZEROS = 4, 2  # of GROUP neighbouring input channels, at least so many are zero
AT_ONCE = 1 << 24  # values
CACHED = 1 << 18  # values, of which comparing makes flags
SAMPLE = 1 << 16  # values that are looked at first
MANY = 1024  # distinct values above which nobody asks how many they are


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an array of values shows.

    `distinct` counts values, zero included, and `in_a_channel` those of the output channel that has
    most; both are None where there are over MANY.
    """

    size: int
    zeros: int
    pattern: bool  # whether every group along the input channels has its zeros
    distinct: int | None
    in_a_channel: int | None

    @property
    def sparsity(self) -> float:
        return self.zeros / self.size if self.size else 0.0

    def as_dict(self) -> dict:
        return dict(vars(self))


def look(values: np.ndarray) -> Facts:
    """Look at a kernel in Keras' layout, (..., input channels, output channels)."""
    return Facts(
        size=int(values.size),
        zeros=count_zeros(values),
        pattern=holds_pattern(values),
        distinct=_distinct(values),
        in_a_channel=_in_a_channel(values),
    )


def count_zeros(values: np.ndarray) -> int:
    """How many values are zero; counted a part at a time, which a processor's cache holds."""
    flat = values.ravel("K")  # as they lie in memory, which copies nothing
    parts = (flat[start : start + CACHED] for start in range(0, flat.size, CACHED))
    return int(flat.size) - sum(int(np.count_nonzero(part != 0)) for part in parts)


def holds_pattern(values: np.ndarray) -> bool:
    """Tell whether of each GROUP of neighbouring input channels at least ZEROS are zero."""
    if values.ndim < 2 or values.shape[-2] % GROUP:
        return False
    *outer, inputs, outputs = values.shape
    groups = values.reshape(*outer, inputs // GROUP, GROUP, outputs)
    step = max(1, AT_ONCE // (values.size // outputs or 1))
    spans = [(0, 1), *((at, at + step) for at in range(0, outputs, step))]  # one tells of most
    return all(
        bool((np.count_nonzero(groups[..., at:end], axis=-2) <= GROUP - ZEROS).all())
        for at, end in spans
    )


def count_distinct(values: np.ndarray) -> int:
    """How many distinct values there are, however many; it sorts a copy of them."""
    ordered = np.sort(values, axis=None)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(ordered.size)


def _distinct(values: np.ndarray) -> int | None:
    flat = values.ravel("K")
    if np.unique(flat[:: -(-flat.size // SAMPLE)]).size > MANY:
        return None
    found = np.unique(
        np.concatenate(
            [np.unique(flat[at : at + AT_ONCE]) for at in range(0, max(flat.size, 1), AT_ONCE)]
        )
    )
    return found.size if found.size <= MANY else None


def _in_a_channel(values: np.ndarray) -> int | None:
    """The distinct values of the output channel that has most."""
    if values.ndim < 2 or _distinct(values[..., :1]) is None:
        return None
    rows = np.sort(values.reshape(-1, values.shape[-1]), axis=0)
    most = int((np.diff(rows, axis=0) != 0).sum(axis=0).max(initial=0)) + 1
    return most if most <= MANY else None
