"""Export a network with one set of weights after another; not one of them may fail a check."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

from export.checks import Expected, Trial, run_checks
from export.formats import find_format
from export.formats.base import Order
from export.observe.artifact import in_this_process, observe
from export.observe.model import observe_model
from export.observe.probes import probes
from export.results import Status
from export.skeleton.tracing import trace

UNKNOWN = Expected.unknown("not asked in this study")


def judge_seeds(
    model, fill: Callable[[object, int], object], seeds: Iterable[int], formats: Iterable[str]
) -> Iterator[dict]:
    """Yield, for each seed, what the checks say of every format.

    `fill(model, seed)` gives the model other weights. The converters see the skeleton once: they
    never see a weight, so what they make is the same for all seeds.
    """
    skeleton = trace(model)
    chosen = [_converting_once(find_format(name)) for name in formats]
    for seed in seeds:
        fill(model, seed)
        reference = observe_model(model, skeleton, probes(skeleton.image, seed))
        told = {"seed": seed, "noise": reference.noise.fp32, "formats": {}}
        for format in chosen:
            told["formats"][format.name] = _judge(format, skeleton, reference)
        yield told


def _converting_once(format):
    """The same format, whose converter runs once; its answer is copied for every later call."""
    if not hasattr(format, "convert"):
        return format
    made = []

    class Once(type(format)):
        def convert(self, *given):
            if not made:
                made.append(super().convert(*given))
            return deepcopy(made[0])

    return Once(**{field.name: getattr(format, field.name) for field in fields(format)})


def _judge(format, skeleton, reference) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="gate-seeds-"))
    try:
        stage, scratch = folder / "artifact", folder / "scratch"
        stage.mkdir(), scratch.mkdir()
        format.write(Order(skeleton=skeleton, folder=stage, scratch=scratch))
        seen = observe(format.name, stage, reference.images, scratch, run=in_this_process)
        checks = run_checks(
            Trial(format=format, reference=reference, observation=seen, expected=UNKNOWN)
        )
    finally:
        shutil.rmtree(folder)
    parity = next(check for check in checks if check.name == "parity")
    return {
        "failed": [check.name for check in checks if check.status is Status.FAILED],
        "measured": parity.measured,
        "allowed": parity.allowed,
    }
