"""The whole gate: look at an artifact, ask every check, and test the gate itself on mutants."""

from dataclasses import dataclass, replace
from pathlib import Path

from export.checks import Expected, Trial, run_checks
from export.checks.base import verdict
from export.engine import run_engine
from export.formats import Format
from export.gate.power import Power, as_details, measure_power
from export.observe import observe
from export.reference import Reference
from export.results import Check


@dataclass(frozen=True)
class Wish:
    """What is asked of the gate beyond its checks."""

    self_test: bool = False  # mutate the artifact, and see who notices
    strict: bool = False  # fail where a mutant slips through
    layers: bool = False  # compare layer by layer, even where parity passes


def examine(
    format: Format,
    folder: Path,
    scratch: Path,
    reference: Reference,
    expected: Expected,
    batch_sizes: tuple[int, ...],
    stock: str = "",
    wish: Wish | None = None,
    progress=lambda about, doing: None,
) -> tuple[Check, ...]:
    """Every check of the artifact in `folder`, made now; `scratch` is an empty folder."""
    wish = wish or Wish()
    observation = observe(format.name, folder, reference.images, scratch)
    engine = run_engine(format, folder, reference.images, scratch) if format.lane else None
    trial = Trial(format, reference, observation, expected, batch_sizes, engine, stock)
    checks = run_checks(trial)
    if wish.self_test or wish.strict:
        progress(format.name, "testing the gate on mutants")
        power = measure_power(trial, checks, folder, scratch, _allowed(checks))
        checks = _with_power(checks, power, wish.strict)
    return checks


def _allowed(checks: tuple[Check, ...]) -> float:
    return next(check.allowed for check in checks if check.name == "parity") or 0.0


def _with_power(checks: tuple[Check, ...], power: Power, strict: bool) -> tuple[Check, ...]:
    """Put the power beside parity's verdict and, where it is demanded, as a check of its own."""
    at = next(i for i, check in enumerate(checks) if check.name == "parity")
    parity = checks[at]
    details = {**parity.details, **as_details(power)}
    missed = ", ".join(mutant.name for mutant in power.missed)
    told = power.error and f"no self-test: {power.error}" or missed and f"would miss: {missed}"
    note = "; ".join(filter(None, [parity.note, told]))
    checks = (*checks[:at], replace(parity, note=note, details=details), *checks[at + 1 :])
    if not strict:
        return checks
    note = told or "each bug that changes the outputs fails a check"
    return (*checks, verdict("power", power.full, power.caught, power.of, "bugs caught", note))
