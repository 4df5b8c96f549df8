"""The measured part of docs/precision.md."""

import pytest

from export.study.precision.page import BEGIN, DIGITS, END, measured, with_measured
from export.study.precision.record import Record

NETWORKS, FORMATS = ("small", "large"), ("onnx", "onnx-int8")


def records(*found: Record) -> dict:
    return {one.key: one for one in found}


FP32 = Record(network="small", format="onnx", verdict="verified", bytes=4_000_000, error=1e-6)
INT8 = Record(
    network="small",
    format="onnx-int8",
    verdict="verified",
    bytes=1_000_000,
    error=0.1,
    allowed=0.4,
    exact=3e-6,
    exact_allowed=2e-5,
    equal=31,
    held_out=32,
    kept=("conv1",),
    wall_s=12.5,
    written_s=11.5,
    cpu_s=20.0,
    peak_bytes=1_500_000_000,
    load=2.0,
    calibrated=128,
    machine="two cores",
)


def test_sizes_are_held_against_fp32_and_both_halves_are_told():
    text = measured(records(FP32, INT8), NETWORKS, FORMATS)
    row = "| 1.0 | 0.250 | 1.0e-01 | 4.0e-01 | 3.0e-06 | 2.0e-05 | 31 of 32 | 128 | conv1 |"
    assert f"| small | onnx-int8 | verified {row}" in text


def test_machines_are_named_once_each():
    assert measured(records(FP32, INT8), NETWORKS, FORMATS).count("\n- two cores\n") == 1


def test_the_tool_of_others_stands_in_the_row_of_ours():
    stock = Record(network="small", format="onnx-int8", verdict="stopped", converter="theirs",
                   line="stopped at 10 GB", wall_s=60.0, peak_bytes=10**10, load=3.5)  # fmt: skip
    text = measured(records(FP32, INT8, stock), NETWORKS, FORMATS)
    own, others = "12.5 s | 11.5 s | 20.0 s | 1.50 GB | 2", "theirs (stopped: stopped at 10 GB)"
    assert f"| {own} | {others} | – | 60.0 s |" in text
    assert text.count("theirs") == 1


def test_what_was_not_measured_is_listed():
    text = measured(records(FP32), NETWORKS, FORMATS)
    assert "Not measured yet, 5 artifacts:" in text
    assert "- small: onnx-int8\n- large: onnx, onnx-int8\n- digits: onnx, onnx-int8\n" in text


def test_accuracy_is_in_points_to_fp32():
    own = [
        Record(network=DIGITS, format=format, verdict="verified", accuracy=right, pictures=360)
        for format, right in (("onnx", 0.98), ("onnx-int8", 0.975))
    ]
    text = measured(records(*own), NETWORKS, FORMATS)
    assert "97.50% | -0.50 |" in text and "one is 0.28 points" in text


def test_what_is_not_verified_says_why():
    failed = Record(network="small", format="onnx", verdict="failed", line="parity: far off")
    assert "**failed**: parity: far off" in measured(records(failed), NETWORKS, FORMATS)


def test_only_what_is_between_the_marks_is_written_anew():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_measured(page, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="put both where the tables go"):
        with_measured("no marks", "new")
