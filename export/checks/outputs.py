"""Compare outputs with the model's, each in standard deviations of its own."""

from dataclasses import replace

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import bound
from export.checks.distribution import distribution
from export.contract import Batch
from export.results import Check, Rule, Status, verdict
from export.wording import counted

FLOOR = 1e-3  # standard deviation of an output below which any network looks like any other
SAME = 1e-3  # spread between samples, in standard deviations, below which they all look alike


def judge_outputs(
    name: str, trial: Trial, wanted: Batch, got: Batch, rule: Rule, note: str = ""
) -> Check:
    """Compare every output that is `wanted` with what was `got`, within what `rule` allows it.

    Of several outputs it is the check of the worst, whose details have all of them.
    """
    reference = trial.reference
    checks = {output: _within(name, trial, (output, wanted, got), rule, note) for output in wanted}
    worst = max(checks, key=lambda output: _badness(checks[output]))
    if len(reference.contract.outputs) == 1:
        return checks[worst]
    entries = {output: _entry(check) for output, check in checks.items()}
    check = checks[worst]
    details = {**check.details, "outputs": entries}
    return replace(check, note=f"worst at {worst}: {check.note}", details=details)


def _within(name: str, trial: Trial, one: tuple[str, Batch, Batch], rule: Rule, note: str) -> Check:
    output, wanted, got = one
    reference = trial.reference
    limit = bound(reference.noise.at(output) if reference.noise else None, rule)
    if output not in got:
        why = f"{note}{_called(trial, output)} of shape (0, 0) instead of {wanted[output].shape}"
        return verdict(name, False, None, limit.allowed, "std", why)
    if wanted[output].dtype.kind != "f":
        return _equal(name, wanted[output], got[output], note)
    coarse = rule.kind != "fp32"
    sides = (reference.compared(side, output, coarse=coarse) for side in (wanted, got))
    check = compare(name, *sides, limit.allowed, note, _called(trial, output))
    note = "; ".join(filter(None, [check.note, limit.note]))
    return replace(check, note=note, details={**check.details, **limit.details})


def _called(trial: Trial, output: str) -> str:
    """Return what an output is called in a sentence."""
    return "logits" if trial.reference.contract.classifier else output


def _badness(check: Check) -> tuple[bool, float]:
    if check.measured is None:
        return check.status is Status.FAILED, np.inf
    return check.status is Status.FAILED, check.measured / (check.allowed or 1.0)


def _entry(check: Check) -> dict:
    passed = check.status is Status.PASSED
    return {"passed": passed, "measured": check.measured, "allowed": check.allowed}


def _equal(name: str, wanted: np.ndarray, got: np.ndarray, note: str) -> Check:
    """Compare what is counted or chosen, and so is right or wrong."""
    if got.shape != wanted.shape:
        why = f"{note}values of shape {got.shape} instead of {wanted.shape}"
        return verdict(name, False, None, 0.0, "wrong", why)
    wrong = float((got != wanted).mean())
    return verdict(name, wrong == 0, wrong, 0.0, "wrong", f"{note}{wrong:.1%} of values differ")


def compare(
    name: str,
    wanted: np.ndarray,
    got: np.ndarray,
    tolerance: float,
    note: str = "",
    called: str = "logits",
) -> Check:
    """Compare an output (n, ...) with the reference's; NaN, other shapes and flatness fail.

    Of logits (n, classes) the likeliest class is compared too.
    """
    spread = float(wanted.std())
    if not np.isfinite(wanted).all() or spread < FLOOR:
        why = f"the model's own {called} are {_flatness(spread)}; {FILLED}"
        return verdict(name, False, None, tolerance, "std", why)
    if len(wanted) > 1 and float(wanted.std(axis=0).mean()) < SAME * spread:
        sample = "image" if called == "logits" else "input"
        why = f"the model's {called} are the same for every {sample}; {FILLED}"
        return verdict(name, False, None, tolerance, "std", why)
    if got.shape != wanted.shape:
        why = f"{note}{called} of shape {got.shape} instead of {wanted.shape}"
        return verdict(name, False, None, tolerance, "std", why)
    worst = float(np.abs(wanted - got).max()) / spread
    if not np.isfinite(got).all():
        return verdict(name, False, None, tolerance, "std", f"{note}{called} that are not finite")
    details = {"errors": distribution((wanted - got) / spread)}
    if called != "logits" or wanted.ndim != 2:  # a network may call anything so
        passed, note = worst <= tolerance, f"{note}{called} of {len(wanted)} inputs compared"
        return verdict(name, passed, worst, tolerance, "std", note, details)
    agrees, top1 = _likeliest(wanted, got, tolerance * spread, spread)
    passed, note = worst <= tolerance and agrees, note + _top1(top1)
    return verdict(name, passed, worst, tolerance, "std", note, {**details, "top1": top1})


FILLED = "give it trained or seeded weights"


def _likeliest(wanted, got, tolerance: float, spread: float) -> tuple[bool, dict]:
    """Tell whether the top class is the same wherever it must be, and how often it is."""
    # If every logit is within tolerance, the top class can only change where the model leads by
    # twice the tolerance or less.
    top = np.sort(wanted, axis=1)
    leads = top[:, -1:] - top[:, -2:-1]  # (n, 1); (n, 0) where there is but one class
    wavers = (leads <= 2 * tolerance).all(axis=1)
    best = wanted.argmax(axis=1)
    differs = best != got.argmax(axis=1)
    top1 = {
        "equal": int((~differs).sum()),
        "of": len(wanted),
        "classes": len(set(best.tolist())),
        "smallest_lead": float(f"{leads.min() / spread:.3e}") if leads.size else None,
    }
    return not (differs & ~wavers).any(), top1


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
