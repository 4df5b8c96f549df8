"""Latencies to figures: median and percentiles with bounds, and whether rounds agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SPREAD = 0.10  # of the medians of rounds, relative to their median, above which they disagree


@dataclass(frozen=True)
class Percentile:
    """A percentile of a sample, and the interval that holds the true one 95 times of 100.

    `high` is infinite where the sample is too small to bound it.
    """

    value: float
    low: float
    high: float


def percentile(values: Sequence[float], share: float) -> Percentile:
    """The percentile of `values` at `share` (0 to 1), bounded by order statistics.

    The number of values below the true percentile is binomial, whatever their distribution.
    """
    ordered, count = np.sort(np.asarray(values, float)), len(values)
    if not count:
        raise ValueError("a percentile of nothing was asked for")
    half = 1.96 * math.sqrt(count * share * (1 - share))
    low, high = math.floor(count * share - half), math.ceil(count * share + half)
    value = float(np.quantile(ordered, share, method="inverted_cdf"))
    return Percentile(
        value=value,
        low=float(ordered[max(low, 0)]) if low >= 0 else 0.0,
        high=float(ordered[high]) if high < count else math.inf,
    )


def unstable(medians: Sequence[float]) -> str:
    """Why the medians of several rounds are not to be trusted; empty where they agree."""
    least, most, middle = min(medians), max(medians), float(np.median(medians))
    if most - least <= SPREAD * middle:
        return ""
    return f"unstable: medians of {len(medians)} rounds lie between {least:.3g} and {most:.3g} ms"


def ratio(medians: Sequence[float], base: Sequence[float]) -> float:
    """How many times as long as the base line, round by round; the middle of the rounds."""
    return float(np.median([own / other for own, other in zip(medians, base, strict=True)]))


def beyond_noise(before: dict, after: dict) -> str:
    """ "faster" or "slower" where two records differ by more than their bounds; else empty.

    Both have `median_ms`, `median_low_ms` and `median_high_ms`.
    """
    if after["median_high_ms"] < before["median_low_ms"]:
        return "faster"
    if after["median_low_ms"] > before["median_high_ms"]:
        return "slower"
    return ""
