"""Does the artifact compute what the model computes?"""

from dataclasses import replace

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import Bound, bound
from export.checks.distribution import distribution
from export.results import Check, verdict
from export.wording import counted

FLOOR = 1e-3  # standard deviation of logits below which any network looks like any other
SAME = 1e-3  # spread between images, in standard deviations, below which they all look alike


def parity(trial: Trial) -> Check:
    """Worst logit error in standard deviations of the reference, and top-1 agreement."""
    observation = trial.observation
    note = f"{observation.ran}; " if trial.format.engine_rule else ""
    allowed = bound(trial.reference.noise, trial.format.rule)
    return _within("parity", trial.reference.logits, observation.logits, allowed, note)


def _within(name: str, wanted: np.ndarray, got: np.ndarray, bound: Bound, note: str) -> Check:
    check = compare(name, wanted, got, bound.allowed, note)
    note = "; ".join(filter(None, [check.note, bound.note]))
    return replace(check, note=note, details={**check.details, **bound.details})


def compare(
    name: str, wanted: np.ndarray, got: np.ndarray, tolerance: float, note: str = ""
) -> Check:
    """Compare logits (n, classes) with the reference's; NaN, other shapes and flatness fail."""
    spread = float(wanted.std())
    if not np.isfinite(wanted).all() or spread < FLOOR:
        why = f"the model's own logits are {_flatness(spread)}; give it trained or seeded weights"
        return verdict(name, False, None, tolerance, "std", why)
    if len(wanted) > 1 and float(wanted.std(axis=0).mean()) < SAME * spread:
        why = "the model's logits are the same for every image; give it trained or seeded weights"
        return verdict(name, False, None, tolerance, "std", why)
    if got.shape != wanted.shape:
        why = f"{note}logits of shape {got.shape} instead of {wanted.shape}"
        return verdict(name, False, None, tolerance, "std", why)
    worst = float(np.abs(wanted - got).max()) / spread
    if not np.isfinite(got).all():
        return verdict(name, False, None, tolerance, "std", f"{note}logits that are not finite")
    # If every logit is within tolerance, the top class can only change where the model leads by
    # twice the tolerance or less.
    top = np.sort(wanted, axis=1)
    leads = (top[:, -1:] - top[:, -2:-1]) / spread  # (n, 1); (n, 0) where there is but one class
    wavers = (leads <= 2 * tolerance).all(axis=1)
    best = wanted.argmax(axis=1)
    differs = best != got.argmax(axis=1)
    passed = worst <= tolerance and not (differs & ~wavers).any()
    top1 = {
        "equal": int((~differs).sum()),
        "of": len(wanted),
        "classes": len(set(best.tolist())),
        "smallest_lead": float(f"{leads.min():.3e}") if leads.size else None,
    }
    details = {"errors": distribution((wanted - got) / spread), "top1": top1}
    return verdict(name, passed, worst, tolerance, "std", note + _top1(top1), details)


def _flatness(spread: float) -> str:
    if not np.isfinite(spread):
        return "not finite"
    return f"flat: their standard deviation is {spread:.1e}, and at least {FLOOR:g} is wanted"


def _top1(top1: dict) -> str:
    """Say on how many images the top class agrees, and by how much it leads."""
    agree = f"top-1 equal on {top1['equal']} of {top1['of']}"
    lead = top1["smallest_lead"]
    if lead is None:
        return agree
    classes = counted(top1["classes"], "class that leads", "classes that lead")
    return f"{agree}, {classes} by {lead:.1e} std or more"
