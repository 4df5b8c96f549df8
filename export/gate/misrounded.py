"""Bugs of rounding, which the graph without its rounding cannot show, before every check.

Each is put into a copy of the artifact, which is then observed as any artifact is.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.checks import Trial, run_checks
from export.contract import Batch
from export.observe.artifact import observe, observer
from export.results import Status


def judged(
    trial: Trial, fails: set[str], folder: Path, scratch: Path
) -> Iterator[tuple[str, float, tuple[str, ...], str]]:
    """Yield each bug's name, its effect on logits in their standard deviations, and who noticed.

    `fails` are the checks that the artifact itself fails. Last comes why a bug was not tested.
    """
    inputs = trial.reference.inputs
    with (
        tempfile.TemporaryDirectory(prefix="misrounded-", dir=scratch) as made,
        ExitStack() as held,
    ):
        child = None  # most formats have no such bug, and need none
        for name in trial.format.misrounded(folder, Path(made)):
            child = child or held.enter_context(observer(trial.format, scratch))
            seen = observe(trial.format.name, Path(made), inputs, scratch, child=child)
            bugged = replace(trial, observation=seen, engine=None)
            if seen.failed == "run" or not bugged.comparable:
                yield name, 0.0, (), seen.error
                continue
            effect = max(_effect(trial, seen.outputs, output) for output in seen.outputs)
            failed = (c.name for c in run_checks(bugged) if c.status is Status.FAILED)
            yield name, effect, tuple(name for name in failed if name not in fails), ""


def _effect(trial: Trial, outputs: Batch, name: str) -> float:
    """Return how far one of `outputs` moves, in standard deviations of the model's."""
    reference = trial.reference
    sides = (reference.outputs, trial.observation.outputs, outputs)
    wanted, own, bugged = (reference.compared(side, name) for side in sides)
    return float(np.abs(bugged - own).max()) / (float(wanted.std()) or 1.0)
