"""The engine's logits count only where an engine gave them."""

import numpy as np
import pytest

from export.checks.engine import engine
from export.observe.engine import Batches, EngineRun
from export.results import Status

NODE = "TRTEngineOp_000_000"


def ran(logits, sizes=(1, 4, 8), engines=None, **more):
    """A run whose engines are those of `sizes`, or `engines`, and which gave the rows of logits."""
    held = {NODE: sorted(sizes)} if engines is None else engines
    rows = {size: np.arange(-(-len(logits) // size) * size) % len(logits) for size in sizes}
    batches = (
        Batches(size=size, outputs={"logits": logits[rows[size]]}, engines=held, seconds=1.0)
        for size in sizes
    )
    return EngineRun(batches=tuple(batches), **more)


def test_the_engine_is_only_asked_of_tftrt(honest):
    assert engine(honest("onnx")) is None
    assert engine(honest("savedmodel")) is None


def test_an_engine_that_could_not_be_asked_is_skipped_with_the_reason(honest):
    trial = honest("tftrt-fp16", engine=EngineRun(unable="needs a GPU; go and find one"))
    check = engine(trial)
    assert (check.status, check.note) == (Status.SKIPPED, "needs a GPU; go and find one")
    assert engine(honest("tftrt-fp16")).status is Status.SKIPPED


@pytest.mark.parametrize(
    ("format", "error", "wanted"),
    [
        ("tftrt-fp16", 0.04, Status.PASSED),
        ("tftrt-fp16", 0.06, Status.FAILED),
        ("tftrt-fp32", 0.009, Status.PASSED),
        ("tftrt-fp32", 0.04, Status.FAILED),
    ],
)
def test_the_engine_has_the_tolerance_of_its_precision(honest, format, error, wanted):
    logits = honest(format).reference.outputs["logits"]
    check = engine(honest(format, engine=ran(logits + np.float32(error * logits.std()))))
    assert check.status is wanted
    assert check.measured == pytest.approx(error, rel=1e-3)
    assert check.note.startswith("on a GPU; 3 engines built, for batches of 1, 4 and 8; ")


@pytest.mark.parametrize("uncounted", ["", "no such op"])
def test_logits_that_are_not_finite_fail(honest, uncounted):
    logits = np.full_like(honest("tftrt-fp16").reference.outputs["logits"], np.nan)
    check = engine(honest("tftrt-fp16", engine=ran(logits, uncounted=uncounted)))
    assert check.status is Status.FAILED
    assert [entry["error"] for entry in check.details["batches"]] == [None] * 3


@pytest.mark.parametrize(
    "engines", [{}, {NODE: []}, {NODE: [1, 4]}, {NODE: [8], "TRTEngineOp_000_001": []}]
)
def test_a_batch_size_for_which_no_engine_is_large_enough_fails(honest, engines):
    logits = honest("tftrt-fp16").reference.outputs["logits"]
    check = engine(honest("tftrt-fp16", engine=ran(logits, engines=engines)))
    assert check.status is Status.FAILED
    assert check.details["reason"] == "no-engine"
    assert "8, so the logits are FP32's" in check.note


def test_a_batch_size_that_was_not_run_fails(honest):
    logits = honest("tftrt-fp16").reference.outputs["logits"]
    check = engine(honest("tftrt-fp16", engine=ran(logits, sizes=(1, 8))))
    assert check.status is Status.FAILED
    assert check.note == "on a GPU; no logits in batches of 4"


def test_a_row_that_only_fills_a_batch_up_is_compared_too(honest):
    logits = honest("tftrt-fp16").reference.outputs["logits"]
    run = ran(logits, sizes=(16,))
    run.batches[0].outputs["logits"][15] = 0
    check = engine(honest("tftrt-fp16", engine=run, batch_sizes=(16,)))
    assert check.status is Status.FAILED
