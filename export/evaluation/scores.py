"""Accuracy and agreement out of best classes."""

import math
from dataclasses import dataclass

import numpy as np

from export.evaluation.ranks import NOTHING


@dataclass(frozen=True, kw_only=True)
class Score:
    """Fractions of the pictures that could be read."""

    pictures: int
    top1: float
    top5: float
    margin: float  # half the width of the 95 % Wilson interval of top-1
    nothing: int  # pictures whose logits held a NaN; they count as wrong
    agreement: float | None = None  # with another network's first choice, on the same pictures


def score(best: np.ndarray, labels: np.ndarray, reference: np.ndarray | None = None) -> Score:
    """Score best classes (n, k) int32 against `labels` (n,) and the choices of `reference` (n, k).

    Rows whose picture is broken or undone count for nothing. Raises ValueError where none is left.
    """
    done = _answered(best)
    if not done.any():
        raise ValueError("not one picture could be read")
    hits = best[done] == labels[done, None]
    top1 = float(hits[:, 0].mean())
    agreement = None
    if reference is not None:
        both = done & _answered(reference)
        first, other = best[both, 0], reference[both, 0]
        agreement = float(((first == other) & (first >= 0)).mean()) if both.any() else None
    return Score(
        pictures=int(done.sum()),
        top1=top1,
        top5=float(hits.any(axis=1).mean()),
        margin=_margin(top1, int(done.sum())),
        nothing=int((best[:, 0] == NOTHING).sum()),
        agreement=agreement,
    )


def _answered(best: np.ndarray) -> np.ndarray:
    return (best[:, 0] >= 0) | (best[:, 0] == NOTHING)


def _margin(fraction: float, count: int, z: float = 1.96) -> float:
    """Half of Wilson's interval, which stays honest where every picture was right."""
    spread = fraction * (1 - fraction) / count + z * z / (4 * count * count)
    return z * math.sqrt(spread) / (1 + z * z / count)
