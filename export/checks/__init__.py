"""Every check, one file each, in the order of the report: structure first, numbers last."""

from export.checks.base import Batches, EngineRun, Expected, Trial
from export.checks.contract import contract
from export.checks.engine import engine
from export.checks.fp16_range import fp16_range
from export.checks.graph import graph
from export.checks.params import params
from export.checks.parity import parity
from export.checks.weights import weights
from export.results import Check

CHECKS = (params, weights, graph, contract, parity, engine, fp16_range)


def run_checks(trial: Trial) -> tuple[Check, ...]:
    """Run every check that asks something of the trial's format; none raises for a mismatch."""
    return tuple(check for check in (ask(trial) for ask in CHECKS) if check is not None)


__all__ = ["CHECKS", "Batches", "EngineRun", "Expected", "Trial", "run_checks"]
