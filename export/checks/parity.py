"""Does the artifact compute what the model computes?"""

import math
from dataclasses import replace

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import Bound, bound
from export.checks.costly import advice
from export.checks.distribution import distribution
from export.observe.noise import Noise
from export.observe.probes import COUNT
from export.results import REORDERED, Check, Status, verdict
from export.wording import counted

FLOOR = 1e-3  # standard deviation of logits below which any network looks like any other
SAME = 1e-3  # spread between images, in standard deviations, below which they all look alike


def parity(trial: Trial) -> Check:
    """Worst logit error in standard deviations of the reference, and top-1 agreement."""
    rounded = _as_it_is(trial)
    if not trial.format.rounds:
        return rounded
    if trial.held_out:
        rounded = _with_agreement(trial, rounded)
    if rounded.status is Status.FAILED and trial.reference.noise:
        costs = advice(trial.reference.noise, trial.format.rule.kind)
        rounded = replace(rounded, note=f"{rounded.note}; {costs}")
    return _with_exact_half(trial, rounded)


def _as_it_is(trial: Trial) -> Check:
    """The artifact itself against the model, within what the format's rule allows."""
    observation, wanted = trial.observation, trial.reference.logits
    note = f"{observation.ran}; " if trial.format.engine_rule else ""
    if trial.plain is None or trial.plain.simulated is None:
        allowed = bound(trial.reference.noise, trial.format.rule)
        return _within("parity", wanted, observation.logits, allowed, note)
    # Ranges are of such images as are held out; whatever else there is they may clip.
    own = slice(COUNT, COUNT + trial.held_out) if trial.held_out else slice(None)
    spread = float(wanted.std()) or 1.0
    moved = float(np.abs(trial.plain.simulated[own] - wanted[own]).max(initial=0)) / spread
    noise = Noise(math.nan, math.nan, moved)
    note += f"on {counted(trial.held_out, 'image')} held out, " if trial.held_out else ""
    allowed = bound(noise, trial.format.rule)
    return _within("parity", wanted[own], observation.logits[own], allowed, note)


def _with_agreement(trial: Trial, rounded: Check) -> Check:
    """Add how often the first choice is the model's, on the images that were held out."""
    own = slice(COUNT, COUNT + trial.held_out)
    wanted, got = trial.reference.logits[own], trial.observation.logits[own]
    if got.shape != wanted.shape:
        return rounded
    equal = int((wanted.argmax(axis=1) == got.argmax(axis=1)).sum())
    share = equal / len(wanted)
    enough = share >= trial.min_agreement
    says = f"top-1 agreement {share:.3f} on {counted(len(wanted), 'image')} held out"
    if not enough:
        says += f", and at least {trial.min_agreement:g} is wanted"
    return replace(
        rounded,
        status=rounded.status if enough else Status.FAILED,
        note=f"{rounded.note}; {says}",
        details={**rounded.details, "agreement": {"equal": equal, "of": len(wanted)}},
    )


def _with_exact_half(trial: Trial, rounded: Check) -> Check:
    """Add the verdict on the graph without its rounding, at the power of a format of 32 bits.

    It has two parts: the traced network against the model, and the artifact's graph against the
    traced network with the artifact's weights. Those are compared by hash.
    """
    exact = _exact(trial)
    passed = exact.status is rounded.status is Status.PASSED
    halves = {
        half: {"passed": c.status is Status.PASSED, "measured": c.measured, "allowed": c.allowed}
        for half, c in (("exact", exact), ("rounded", rounded))
    }
    says = f"without rounding, {exact.note}" if exact.status is Status.FAILED else _size(exact)
    return replace(
        rounded,
        status=Status.PASSED if passed else Status.FAILED,
        note=f"{rounded.note}; {says}",
        details={**rounded.details, "halves": halves},
    )


def _exact(trial: Trial) -> Check:
    """The worse of the two parts of the exact half."""
    reference, plain = trial.reference, trial.plain
    allowed = bound(reference.noise, REORDERED)
    if plain is None or plain.error:
        why = f"the graph was not compared: {plain.error if plain else 'it did not run'}"
        return verdict("parity", False, None, allowed.allowed, "std", why)
    parts = [_within("parity", plain.wanted, plain.got, allowed, "the graph: ")]
    if reference.noise is not None and reference.noise.logits is not None:
        traced = reference.noise.logits[: len(reference.logits)]
        own = reference.logits[: len(traced)]
        parts.append(_within("parity", own, traced, allowed, "the traced network: "))
    return max(parts, key=lambda part: (part.status is Status.FAILED, part.measured or 0.0))


def _size(exact: Check) -> str:
    return f"without rounding off by {exact.measured:.1e} std, and {exact.allowed:.1e} is allowed"


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
