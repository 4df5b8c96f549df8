"""Every check, one file each, in the order of the report: structure first, numbers last."""

from collections.abc import Iterator
from dataclasses import replace

from export.checks.base import Case, Expected, Trial
from export.checks.compression import compression
from export.checks.contract import contract
from export.checks.engine import engine
from export.checks.fp16_range import fp16_range
from export.checks.graph import graph
from export.checks.params import params
from export.checks.parity import parity
from export.checks.ranges import ranges
from export.checks.weights import weights
from export.formats import Format
from export.results import NOT_ASKED, Check, skipped

CHECKS = (params, weights, ranges, graph, contract, parity, engine, fp16_range, compression)
ON_PROMISE = ("compression",)  # asked where a model brings what it is held against
# What has no answer where looking at an artifact ended with an error, by the step at which it did:
# one check says why, and these say that they were not asked.
UNASKED = {
    "open": (("weights", "ranges", "graph", "parity", "engine"), "the artifact did not open"),
    "weights": (("contract", "parity", "engine"), "its weights cannot be read"),
    "run": (("parity", "engine"), "the artifact did not run"),
}


def run_checks(trial: Trial) -> tuple[Check, ...]:
    """Run every check that asks something of the trial's format; none raises for a mismatch."""
    names, why = UNASKED.get(trial.observation.failed, ((), ""))
    checks = (
        _unasked(name, why) if name in names else ask(trial)
        for name, ask in _concerning(trial.format)
    )
    return tuple(check for check in checks if check is not None)


def ask_nothing(format: Format, why: str) -> tuple[Check, ...]:
    """Return every check of a format as skipped, and `why`."""
    return tuple(_unasked(name, why) for name, _ in _concerning(format) if name not in ON_PROMISE)


def _unasked(name: str, why: str) -> Check:
    return replace(skipped(name, f"not asked: {why}"), details={"reason": NOT_ASKED})


def _concerning(format: Format) -> Iterator[tuple]:
    """Yield name and function of each check that asks something of a format."""
    for ask in CHECKS:
        name = ask.__name__.replace("_", "-")
        if name == "engine" and not format.engine_rule:
            continue
        if name == "ranges" and format.precision != "int8":
            continue
        if name != "fp16-range" or format.precision == "fp16":
            yield name, ask


__all__ = ["CHECKS", "Case", "Expected", "Trial", "ask_nothing", "run_checks"]
