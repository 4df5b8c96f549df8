"""All checks together: which run, in which order, and that none raises."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.checks import CHECKS, run_checks
from export.formats import ALL, FORMATS
from export.results import Status

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("format", FORMATS)
def test_an_honest_artifact_fails_no_check(honest, format):
    assert {check.status for check in run_checks(honest(format))} <= {
        Status.PASSED,
        Status.SKIPPED,
    }


@pytest.mark.parametrize(
    ("format", "names"),
    [
        ("savedmodel", "params weights graph contract parity"),
        ("onnx", "params weights graph contract parity"),
        ("onnx-fp16", "params weights graph contract parity fp16-range"),
        ("tftrt-fp32", "params weights graph contract parity engine"),
        ("tftrt-fp16", "params weights graph contract parity engine fp16-range"),
    ],
)
def test_each_format_is_asked_what_concerns_it_in_the_order_of_the_report(honest, format, names):
    assert [check.name for check in run_checks(honest(format))] == names.split()


def test_no_two_formats_or_checks_have_one_name():
    assert len(FORMATS) == len(ALL)
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("format", FORMATS)
def test_an_artifact_that_did_not_open_fails_every_check_that_looks_at_it(honest, format):
    nothing = {
        "inputs": (),
        "outputs": (),
        "weights": (),
        "logits": np.zeros((0, 0), np.float32),
        "error": "model.onnx is damaged",
    }
    trial = honest(format, observation=nothing)
    trial = replace(trial, observation=replace(trial.observation, graph={}))
    failed = {check.name for check in run_checks(trial) if check.status is Status.FAILED}
    assert failed == {"weights", "graph", "contract", "parity"}


@pytest.mark.parametrize("format", FORMATS)
def test_a_skipped_check_says_why_and_a_made_one_has_its_bound(honest, format):
    for check in run_checks(honest(format)):
        if check.status is Status.SKIPPED:
            assert check.note
        else:
            assert None not in (check.measured, check.allowed)


def test_judging_takes_no_tensorflow():
    code = "import sys, export.checks; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
