"""The whole gate: look at an artifact, ask every check, and test the gate itself on mutants."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from export.checks import Case, Trial, run_checks
from export.contract import Batch, rows
from export.endings import SOFTMAX
from export.errors import ExportError
from export.gate import divergence, gain, power
from export.observe.ahead import jobs_for
from export.observe.artifact import observe, observer
from export.observe.engine import run_engine
from export.observe.plain import observe_plain, plainer
from export.pictures import Shown, side_by_side
from export.process import Child
from export.required import known_checks
from export.results import EXPLICIT, Check, Status, find, verdict


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What is asked of the gate beyond its checks."""

    self_test: bool = False  # mutate the artifact, and see who notices
    strict: bool = False  # fail where a mutant slips through
    layers: bool = False  # compare layer by layer, even where parity passes
    shown: Shown | None = None  # the user's pictures, for the page to show beside each other
    partial_engines: bool = False  # accept engines for a part of the network
    require: tuple[str, ...] = ()  # names of checks that fail where they are skipped or not made

    @property
    def tests(self) -> bool:
        """Whether bugs are planted."""
        return self.self_test or self.strict

    def __post_init__(self):
        object.__setattr__(self, "require", known_checks(self.require))


Wish = GateOptions  # the public name of old


def examine(
    case: Case,
    folder: Path,
    scratch: Path,
    asked: GateOptions | None = None,
    progress=lambda about, doing: None,
    child: Child | None = None,
    jobs: int | None = None,
) -> tuple[Check, ...]:
    """Every check of the artifact in `folder`, made now; `scratch` is an empty folder.

    `child` is an `observer` of the format, if one was started before. As many as `jobs` processes
    open the artifact at once; by default what cores and memory allow.
    """
    asked = asked or GateOptions()
    case = replace(case, partial_engines=asked.partial_engines)
    early = asked.tests and power.opens_early(case, jobs)
    several = jobs_for(case.reference.weight_bytes, jobs) > 1
    with ExitStack() as held:
        tester = None
        if early:
            inputs = case.reference.inputs
            tester = _begun(partial(power.opened, case.format, folder, inputs, scratch), held)
        trial = observed(case, folder, scratch, child, beside=several)
        checks = _explained(trial, run_checks(trial), folder, scratch, asked, progress)
        if asked.tests and not trial.observation.error:
            progress(case.format.name, "testing the gate on mutants")
            parity = find(checks, "parity")
            exact = parity.details.get("halves", {}).get("exact", {})  # what bugs are measured by
            allowed = exact.get("allowed", parity.allowed)
            found = power.measure_power(trial, checks, folder, scratch, allowed, tester)
            checks = _with_power(checks, found, asked.strict)
    return checks


def _begun(start: Callable[[], AbstractContextManager[Child]], held: ExitStack) -> Child | None:
    """What `start` starts, until `held` ends; None where the system starts no process.

    It is asked for again in its turn, and what keeps it from starting is told then.
    """
    try:
        return held.enter_context(start())
    except (ExportError, OSError):
        return None


def _explained(
    trial: Trial, checks: tuple[Check, ...], folder: Path, scratch: Path, asked, progress
) -> tuple[Check, ...]:
    """Say beside parity's verdict where it comes from, and show it, as far as that is asked for."""
    format, reference = trial.format, trial.reference
    failed = find(checks, "parity").status is Status.FAILED
    ran = not trial.observation.error and _is_finite(reference.outputs)
    if ran and (asked.layers or failed):
        progress(format.name, "comparing layer by layer")
        probe = _worst_probe(trial) if failed else 0
        found = divergence.find_divergence(trial, folder, scratch, probe)
        checks = _with_layers(checks, found)
    if ran and _is_off_by_rounding(checks):
        progress(format.name, "simulating what layers cost")
        gains, why = gain.measure_gain(trial, folder, scratch)
        checks = _with_gain(checks, gains, why, trial.min_agreement)
    if ran and asked.shown and trial.comparable and reference.contract.classifier:
        checks = _with_pictures(checks, trial, asked.shown)
    return checks


def observed(
    case: Case,
    folder: Path,
    scratch: Path,
    child: Child | None = None,
    *,
    beside: bool = False,
) -> Trial:
    """Run the artifact in `folder`, its engine if it has one, and if it rounds, its plain graph.

    `child` is an `observer` that was started before; it ends here, once it has answered. What runs
    the plain graph imports TensorFlow `beside` that, if there is memory for both.
    """
    format = case.format
    with ExitStack() as held:
        start = partial(plainer, format, scratch)
        unrounded = _begun(start, held) if beside and format.rounds else None
        with child or observer(format, scratch) as looks:
            trial = _looked_at(case, folder, scratch, looks)
        if not format.rounds or trial.observation.error:
            return trial
        plain = observe_plain(folder, trial, unrounded or held.enter_context(start()))
        return replace(trial, plain=plain)


def _looked_at(case: Case, folder: Path, scratch: Path, looks: Child) -> Trial:
    format, given, resized = case.format, case.reference.inputs, case.reference.resized
    observation, engine = observe(format.name, folder, given, scratch, resized, looks), None
    if format.engine_rule and not observation.error:  # else nothing of it is worth an engine
        # One with explicit batch is of its first batch size and all smaller ones.
        descend = observation.graph.get("batch") == EXPLICIT
        sizes = tuple(sorted(case.batch_sizes, reverse=descend))
        engine = run_engine(format, folder, given, sizes)
    return Trial(**vars(case), observation=observation, engine=engine)


def _worst_probe(trial: Trial) -> int:
    """The probe whose outputs are off by most; the first if their shapes differ."""
    if not trial.comparable:
        return 0
    worst = np.zeros(rows(trial.reference.inputs))
    for name, wanted in trial.reference.outputs.items():
        off = np.abs(np.float64(trial.observation.outputs[name]) - wanted)
        off = off.reshape(len(worst), -1).max(axis=1) / (float(np.std(wanted)) or 1.0)
        worst = np.maximum(worst, np.nan_to_num(off, nan=np.inf))
    return int(worst.argmax())


def _is_off_by_rounding(checks: tuple[Check, ...]) -> bool:
    parity = find(checks, "parity")
    halves = parity.details.get("halves", {})
    return halves.get("exact", {}).get("passed", False) and not halves["rounded"]["passed"]


def _is_finite(outputs: Batch) -> bool:
    return all(values.dtype.kind != "f" or np.isfinite(values).all() for values in outputs.values())


def _with_gain(checks: tuple[Check, ...], gains: list, why: str, least: float):
    """Say beside parity's verdict what it would bring to keep layers in 32 bits, or why not."""
    if not (gains or why):
        return checks
    parity = find(checks, "parity")
    says = gain.sentence(gains, least) if gains else f"what that brings was not simulated: {why}"
    changed = replace(parity, note=f"{parity.note}; {says}")
    return _with(checks, changed, gain.as_details(gains))


def _with_layers(checks: tuple[Check, ...], found: divergence.Divergence) -> tuple[Check, ...]:
    """Say beside parity's verdict where artifact and model first differ."""
    parity = find(checks, "parity")
    changed = replace(parity, note=f"{parity.note}; {found}")
    return _with(checks, changed, divergence.as_details(found))


def _with_pictures(checks: tuple[Check, ...], trial: Trial, shown: Shown) -> tuple[Check, ...]:
    """Put some of the user's pictures beside parity's verdict."""
    reference, observation = trial.reference, trial.observation
    (images,) = reference.inputs.values()
    ((name, wanted),) = reference.outputs.items()
    found, softmax = observation.outputs[name], reference.endings.get(name) == SOFTMAX
    logits = (np.log(one) if softmax else one for one in (wanted, found))
    pictures = side_by_side(images, *logits, shown)
    return _with(checks, find(checks, "parity"), {"pictures": pictures})


def _with(checks: tuple[Check, ...], changed: Check, details: dict) -> tuple[Check, ...]:
    """The checks, one of them changed and with further details."""
    changed = replace(changed, details={**changed.details, **details})
    return tuple(changed if check.name == changed.name else check for check in checks)


def _with_power(checks: tuple[Check, ...], found: power.Power, strict: bool) -> tuple[Check, ...]:
    """Put the power beside parity's verdict and, where it is demanded, as a check of its own."""
    parity = find(checks, "parity")
    limits = _limits(found)
    note = "; ".join(filter(None, [parity.note, limits]))
    checks = _with(checks, replace(parity, note=note), power.as_details(found))
    if not strict:
        return checks
    note = limits or "each bug that changes the outputs fails a check"
    return (*checks, verdict("power", found.full, found.caught, found.of, "bugs caught", note))


def _limits(found: power.Power) -> str:
    """What keeps a self-test from being a proof; empty where nothing does."""
    if found.error:
        return f"no self-test: {found.error}"
    kinds = {"would miss": found.missed, power.UNTESTED: found.untested}
    return "; ".join(
        f"{kind}: {', '.join(mutant.name for mutant in mutants)}"
        for kind, mutants in kinds.items()
        if mutants
    )
