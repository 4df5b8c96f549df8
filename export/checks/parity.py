"""Does the artifact compute what the model computes?"""

import math
from dataclasses import replace

import numpy as np

from export.checks.base import Trial
from export.checks.bounds import bound
from export.checks.costly import advice
from export.checks.outputs import judge_outputs
from export.contract import Batch, free_lengths, part, rows
from export.observe.noise import Noise
from export.results import REORDERED, Check, Status, verdict
from export.wording import counted


def parity(trial: Trial) -> Check:
    """Worst logit error in standard deviations of the reference, and top-1 agreement."""
    rounded = _with_other_lengths(trial, _as_it_is(trial))
    if not trial.format.rounds:
        return rounded
    if trial.held_out:
        rounded = _with_agreement(trial, rounded)
    if rounded.status is Status.FAILED and trial.reference.noise:
        costs = advice(trial.reference.noise, trial.format.rule.kind)
        rounded = replace(rounded, note=f"{rounded.note}; {costs}")
    return _with_exact_half(trial, rounded)


def _with_other_lengths(trial: Trial, check: Check) -> Check:
    """Add the verdict on inputs of other lengths along free axes; the worse of the two counts."""
    reference, observation = trial.reference, trial.observation
    if not reference.resized:
        return check
    compared = free_lengths(reference.resized, reference.contract)
    lengths = ", ".join(f"{axis} {n}" for axis, n in compared.items())
    if observation.resized_error:
        why = f"{check.note}; at {lengths} it does not run: {observation.resized_error}"
        return replace(check, status=Status.FAILED, note=why)
    wanted, got = reference.resized_outputs, observation.resized
    other = judge_outputs("parity", trial, wanted, got, trial.format.rule)
    if other.status is Status.FAILED:
        return replace(other, note=f"at {lengths}, {other.note}")
    off = "" if other.measured is None else f", off by {other.measured:.1e} {other.unit}"
    return replace(check, note=f"{check.note}; compared at {lengths} too{off}")


def _as_it_is(trial: Trial) -> Check:
    """The artifact itself against the model, within what the format's rule allows."""
    observation, wanted = trial.observation, trial.reference.outputs
    note = f"{observation.ran}; " if trial.format.engine_rule else ""
    if trial.plain is None or not trial.plain.simulated:
        return judge_outputs("parity", trial, wanted, observation.outputs, trial.format.rule, note)
    # Ranges are of such images as are held out; whatever else there is they may clip.
    own = held_out(trial) if trial.held_out else slice(None)
    far = moved(trial, part(trial.plain.simulated, own), part(wanted, own))
    note += f"on {counted(trial.held_out, 'image')} held out, " if trial.held_out else ""
    noise = Noise(math.nan, math.nan, far)
    simulated = replace(trial, reference=replace(trial.reference, noise=noise))
    given = part(observation.outputs, own)
    return judge_outputs("parity", simulated, part(wanted, own), given, trial.format.rule, note)


def moved(trial: Trial, simulated: Batch, wanted: Batch) -> float:
    """How far rounding moves the outputs, in standard deviations of each."""
    found = [0.0]
    for name in wanted:
        own, other = (trial.reference.compared(side, name) for side in (wanted, simulated))
        all_of_it = trial.reference.compared(trial.reference.outputs, name)
        spread = float(all_of_it.std()) or 1.0
        found.append(float(np.abs(other - own).max(initial=0)) / spread)
    return max(found)


def _with_agreement(trial: Trial, rounded: Check) -> Check:
    """Add how often the first choice is the model's, on the images that were held out."""
    if not trial.comparable or not trial.reference.contract.classifier:
        return rounded
    own = held_out(trial)
    (wanted,) = part(trial.reference.outputs, own).values()
    (got,) = part(trial.observation.outputs, own).values()
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


def held_out(trial: Trial) -> slice:
    """Where among the inputs the images are that a calibration holds out: behind the probes."""
    return slice(trial.reference.probes, trial.reference.probes + trial.held_out)


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
    if plain is None or plain.error:
        why = f"the graph was not compared: {plain.error if plain else 'it did not run'}"
        allowed = bound(reference.noise, REORDERED).allowed
        return verdict("parity", False, None, allowed, "std", why)
    parts = [judge_outputs("parity", trial, plain.wanted, plain.got, REORDERED, "the graph: ")]
    if reference.noise is not None and reference.noise.traced:
        traced = reference.noise.traced
        own = part({name: reference.outputs[name] for name in traced}, slice(rows(traced)))
        note = "the traced network: "
        parts.append(judge_outputs("parity", trial, own, traced, REORDERED, note))
    return max(parts, key=lambda part: (part.status is Status.FAILED, part.measured or 0.0))


def _size(exact: Check) -> str:
    return f"without rounding off by {exact.measured:.1e} std, and {exact.allowed:.1e} is allowed"
