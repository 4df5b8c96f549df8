"""Whether a network survives in 16 bits."""

import numpy as np
import pytest

from export.checks.fp16_range import LARGEST, fp16_range
from export.reference import Half, Layer
from export.results import Status


def judged(honest, **reference):
    return fp16_range(honest("tftrt-fp16", reference=reference))


def test_the_bound_is_the_largest_of_float16():
    assert np.finfo(np.float16).max == LARGEST


@pytest.mark.parametrize("format", ["savedmodel", "onnx", "tftrt-fp32"])
def test_formats_of_32_bits_are_not_asked(honest, format):
    assert fp16_range(honest(format)) is None


@pytest.mark.parametrize(
    ("largest", "status"),
    [
        (65504.0, Status.PASSED),
        (65504.1, Status.FAILED),
        (1e30, Status.FAILED),
        (float("inf"), Status.FAILED),
    ],
)
def test_an_activation_beyond_float16_fails_and_its_layer_is_named(honest, largest, status):
    check = judged(honest, layers=(Layer("conv", 3.0), Layer("deep", largest)))
    assert (check.status, check.measured) == (status, largest)
    assert check.note.startswith("largest at deep")


def test_a_weight_beyond_float16_fails_and_is_named(honest):
    check = judged(honest, halves=(Half("conv/kernel", 7e4, 0, 0), Half("fc", 1.0, 0, 0)))
    assert (check.status, check.measured) == (Status.FAILED, 7e4)
    assert check.note.startswith("largest at conv/kernel")


def test_weights_that_lose_precision_are_told_and_do_not_fail(honest):
    halves = (Half("a", 1, 0.02, 0), Half("b", 1, 0.5, 0.1), Half("c", 1, 0.009, 0))
    check = judged(honest, halves=halves)
    assert check.status is Status.PASSED
    assert check.note == (
        "largest at conv; 50.0% of b is subnormal in float16, and over 1% of 1 more weights"
    )


def test_a_model_whose_layers_are_unseen_is_skipped_with_the_reason(honest):
    check = judged(honest, layers=())
    assert check.status is Status.SKIPPED
    assert "no functional graph" in check.note
