"""Prove that the gate can fail: mutants of an artifact, each before every check.

A mutant is caught by the checks that fail for it and do not fail for the artifact itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.checks import Case, Trial, run_checks
from export.compression.facts import Facts
from export.compression.promises import promises_of
from export.contract import Batch, named, part, rows
from export.formats import Format
from export.gate import misrounded
from export.gate.mutants import mutant
from export.gate.mutations import Promised
from export.gate.promised import as_entry
from export.observe.ahead import jobs_for
from export.process import Child, child_of
from export.results import Check, Status, find
from export.runtimes import parity_runtime

UNTESTED = "not tested"
TOGETHER = 3_500_000_000  # bytes that a self-test may take beside what looks at the artifact


@dataclass(frozen=True)
class Mutant:
    """One bug put into the artifact, and who noticed.

    `effect` is None if the network has nowhere for this bug, or no mutated graph would run.
    """

    name: str
    effect: float | None  # largest change of a logit, in standard deviations
    caught_by: tuple[str, ...] = ()
    note: str = ""

    @property
    def counts(self) -> bool:
        """Whether it changes the outputs at all."""
        return bool(self.effect)


@dataclass(frozen=True)
class Power:
    """What a self-test found."""

    mutants: tuple[Mutant, ...]
    error: str = ""  # why there are none

    @property
    def caught(self) -> int:
        return sum(1 for mutant in self.mutants if mutant.counts and mutant.caught_by)

    @property
    def of(self) -> int:
        return sum(1 for mutant in self.mutants if mutant.counts)

    @property
    def missed(self) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.counts and not mutant.caught_by]

    @property
    def untested(self) -> list[Mutant]:
        """Bugs that were not tested, because no mutated graph with them runs."""
        return [mutant for mutant in self.mutants if mutant.note.startswith(UNTESTED)]

    @property
    def full(self) -> bool:
        return self.of > 0 and not self.missed

    @property
    def smallest(self) -> Mutant | None:
        """The smallest bug that only the logits show."""
        alone = [m for m in self.mutants if m.counts and set(m.caught_by) <= {"parity"}]
        return min(alone, key=lambda mutant: mutant.effect, default=None)


def opens_early(case: Case, jobs: int | None) -> bool:
    """Whether the artifact may be opened for changes while another process looks at it.

    `jobs` is how many processes may do so at once, if that was asked for.
    """
    weights = case.reference.weight_bytes
    # One that rounds is run without its rounding, too, before it is changed.
    return jobs_for(2 * weights if case.format.rounds else weights, jobs, TOGETHER) > 1


@contextmanager
def opened(format: Format, folder: Path, inputs: Batch, scratch: Path) -> Iterator[Child]:
    """Have a process open the artifact in `folder`, for `measure_power` to have it changed."""
    packages = parity_runtime(format).packages
    with child_of("export.gate.mutants", scratch, packages=packages) as child:
        child.begin({"do": "open", "format": format.name, "folder": str(folder)}, inputs)
        yield child


def measure_power(
    trial: Trial,
    checks: tuple[Check, ...],
    folder: Path,
    scratch: Path,
    bound: float,
    child: Child | None = None,
) -> Power:
    """Mutate the artifact in `folder`, and ask every check; `checks` are those of the artifact.

    `bound` is what parity allows, in standard deviations. `child` is what `opened` gave, if that
    was asked for before.
    """
    parity = find(checks, "parity")
    if parity.status is not Status.PASSED:
        return Power((), "the artifact itself fails; mutants of it prove nothing")
    inputs = trial.reference.inputs
    with nullcontext(child) if child else opened(trial.format, folder, inputs, scratch) as asked:
        answer, arrays = _tried(trial, asked, bound)
    if answer["error"]:
        return Power((), answer["error"])
    fails = {check.name for check in checks if check.status is Status.FAILED}
    mutants = [
        _judge(trial, fails, record, named(arrays, mutant(number)))
        for number, record in enumerate(answer["mutants"])
    ]
    for name, effect, caught_by, why in misrounded.judged(trial, fails, folder, scratch):
        note = f"{UNTESTED}: {why}" if why else ""
        note = note or ("" if effect else "without effect: not one logit changes")
        mutants.append(Mutant(name, None if why else effect, caught_by, note))
    return Power(tuple(mutants))


def _tried(trial: Trial, child: Child, bound: float) -> tuple[dict, Batch]:
    """Return the answer of `child`, which has opened the artifact for changes, and its arrays."""
    answer, base = child.answer()
    own = trial.plain.got if trial.format.rounds else trial.observation.outputs
    if answer["error"]:
        return answer, {}
    if not all(_is_same(trial, name, base, own, bound) for name in own):
        return {"error": "the graph opened for changes gives other outputs than the artifact"}, {}
    return child.ask(*_job(trial, bound))


def _is_same(trial: Trial, name: str, base: Batch, own: Batch, bound: float) -> bool:
    """Whether an output of the opened graph is that of the artifact, within `bound`."""
    if own[name].dtype.kind != "f":
        return bool((base[name] == own[name]).all())
    reference = trial.reference
    wanted, *sides = (reference.compared(b, name) for b in (reference.outputs, base, own))
    return float(np.abs(sides[0] - sides[1]).max()) <= bound * float(wanted.std())


def _job(trial: Trial, bound: float) -> tuple[dict, dict]:
    """What export/gate/mutants.py is asked to try."""
    norms, arrays = trial.reference.norms, {}
    for number, norm in enumerate(norms):
        arrays |= {f"variance_{number}": norm.variance, f"beta_{number}": norm.beta}
    plain = ("name", "into", "kernel", "bias", "epsilon")
    job = {
        "do": "try",
        "bound": bound,
        "held": trial.names_in_artifact(),
        "contract": trial.reference.contract.as_dict(),
        "endings": dict(trial.reference.endings),
        "norms": [{key: getattr(norm, key) for key in plain} for norm in norms],
        "promises": [as_entry(one) for one in _promised(trial)],
    }
    return job, arrays


def _promised(trial: Trial) -> list[Promised]:
    """What was promised of kernels that the artifact holds."""
    held, promises = trial.names_in_artifact(), []
    if trial.compression:
        promises = [one for one in promises_of(trial.compression) if one.weight in held]
    return [
        Promised(held[one.weight], one, trial.scales_channels_of(one.weight)) for one in promises
    ]


def _judge(trial: Trial, fails: set[str], record: dict, outputs: Batch) -> Mutant:
    """Put a mutant before every check that the artifact passes."""
    error = record.get("error", "")
    if record["effect"] is None:
        why = f"{UNTESTED}: {error}" if error else f"without effect: {record['why_none']}"
        return Mutant(record["name"], None, (), why)
    if record["effect"] == 0:
        return Mutant(record["name"], 0.0, (), "without effect: not one logit changes")
    mutated = _of_model(trial, record) if record["of_model"] else _mutated(trial, record, outputs)
    caught_by = tuple(
        check.name
        for check in run_checks(mutated)
        if check.status is Status.FAILED and check.name not in fails
    )
    return Mutant(record["name"], record["effect"], caught_by)


def _of_model(trial: Trial, record: dict) -> Trial:
    """The trial of an artifact that is a true copy of a model with a bug: its facts are others."""
    facts = {name: Facts(**found) for name, found in record["facts"].items()}
    weights = tuple(
        replace(found, facts=facts.get(found.name, found.facts))
        for found in trial.observation.weights
    )
    return replace(trial, observation=replace(trial.observation, weights=weights))


def _mutated(trial: Trial, record: dict, outputs: Batch) -> Trial:
    """The trial of an artifact that gives other `outputs`, and has other weights."""
    reference, observation = trial.reference, trial.observation
    changed = record.get("weights", {})
    weights = tuple(
        replace(found, sha256=changed.get(found.name, found.sha256))
        for found in observation.weights
    )
    few = slice(rows(outputs))
    if trial.format.rounds:  # its graph alone was changed, in which nothing rounds
        plain = replace(trial.plain, wanted=part(trial.plain.wanted, few), got=outputs)
        observed = replace(observation, weights=weights)
        return replace(trial, observation=observed, engine=None, plain=plain)
    return replace(
        trial,
        reference=replace(
            reference, inputs=part(reference.inputs, few), outputs=part(reference.outputs, few)
        ),
        observation=replace(observation, weights=weights, outputs=outputs),
        engine=None,
    )


def as_details(power: Power) -> dict:
    """Return what report.json keeps of a self-test."""
    if power.error:
        return {"power": {"error": power.error}}
    content = {
        "power": {
            "caught": power.caught,
            "of": power.of,
            "missed": [mutant.name for mutant in power.missed],
        },
        "mutants": [
            {
                "name": m.name,
                "effect": _finite(m.effect),
                "caught_by": list(m.caught_by),
                **({"note": m.note} if m.note else {}),
            }
            for m in power.mutants
        ],
    }
    if power.smallest:
        effect = _finite(power.smallest.effect)
        content["smallest_bug"] = {"name": power.smallest.name, "measured": effect}
    return content


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.3e}")
