"""Export a network with one set of weights after another; not one of them may fail a check."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from export.calibration.prepared import prepare
from export.calibration.reading import synthetic
from export.checks import Case, Expected, run_checks
from export.formats import find_format
from export.formats.base import Conversion, Format, Order
from export.gate.examine import observed
from export.observe.model import observe_model
from export.observe.probes import inputs
from export.process import in_this_process
from export.results import Status, find
from export.skeleton.tracing import trace

COUNT = 32  # synthetic images that ranges are taken from
UNKNOWN = Expected.unknown("not asked in this study")


def judge_seeds(
    model, fill: Callable[[object, int], object], seeds: Iterable[int], formats: Iterable[str]
) -> Iterator[dict]:
    """Yield, for each seed, what the checks say of every format.

    `fill(model, seed)` gives the model other weights. The converters see the skeleton once: they
    never see a weight, so what they make is the same for all seeds.
    """
    skeleton = trace(model)
    chosen = {find_format(name): Conversion() for name in formats}
    for seed in seeds:
        fill(model, seed)
        reference = observe_model(model, skeleton, inputs(skeleton, seed), chosen)
        found = {
            format.name: _judge(format, skeleton, conversion, reference)
            for format, conversion in chosen.items()
        }
        yield {"seed": seed, "noise": reference.noise.fp32, "formats": found}


def _judge(format: Format, skeleton, conversion: Conversion, reference) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="gate-seeds-"))
    try:
        stage, scratch = folder / "artifact", folder / "scratch"
        stage.mkdir(), scratch.mkdir()
        order = Order(skeleton=skeleton, folder=stage, scratch=scratch, conversion=conversion)
        prepared = prepare(synthetic(count=COUNT) if format.needs else None, skeleton, 0)
        written = format.write(replace(order, **prepared.order))
        case = Case(
            format=format,
            reference=reference,
            expected=UNKNOWN,
            kept=written.kept,
            calibration=prepared.entry(written.ranges),
        )
        with in_this_process():
            checks = run_checks(observed(case, stage, scratch))
    finally:
        shutil.rmtree(folder)
    parity = find(checks, "parity")
    return {
        "failed": [check.name for check in checks if check.status is Status.FAILED],
        "measured": parity.measured,
        "allowed": parity.allowed,
    }
