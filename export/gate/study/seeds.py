"""Export a network with one set of weights after another; not one of them may fail a check."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from unittest import mock

from export import observe
from export.checks import Expected, Trial, run_checks
from export.formats import find_format
from export.pipeline import Options
from export.probes import probes
from export.reference import observe_model
from export.results import Status
from export.skeleton import trace

UNKNOWN = Expected(None, None, None, "not asked in this study")


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
    format, made = replace(format), []
    convert = getattr(format, "_convert", None)

    def answer(*given):
        if not made:
            made.append(convert(*given))
        return deepcopy(made[0])

    if convert:
        object.__setattr__(format, "_convert", answer)  # its own fields are frozen
    return format


def _judge(format, skeleton, reference) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="gate-seeds-"))
    try:
        stage, scratch = folder / "artifact", folder / "scratch"
        stage.mkdir(), scratch.mkdir()
        format.write(skeleton, stage, scratch, Options())
        with mock.patch.object(observe, "run_module", lambda _module, job, _: observe.main(job)):
            seen = observe.observe(format.name, stage, reference.images, scratch)
        checks = run_checks(Trial(format, reference, seen, UNKNOWN))
    finally:
        shutil.rmtree(folder)
    parity = next(check for check in checks if check.name == "parity")
    return {
        "failed": [check.name for check in checks if check.status is Status.FAILED],
        "measured": parity.measured,
        "allowed": parity.allowed,
    }
