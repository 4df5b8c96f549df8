"""Whether a network survives in 16 bits."""

import math

import numpy as np
import pytest

from export.checks.fp16_range import LARGEST, fp16_range
from export.contract import Contract, Tensor
from export.observe.base import Float16Loss, Layer
from export.observe.noise import LayerNoise, Noise
from export.results import ROUNDED, Status
from export.skeleton.fold import Norm

NOISE = Noise(
    1e-5, 1e-2, 0.1, (LayerNoise("conv", 5e-6, 4e-3, 0.02), LayerNoise("logits", 1e-5, 1e-2, 0.1))
)


def norm(name, into):
    return Norm(
        name=name,
        into=into,
        kernel=f"{into}/kernel",
        bias=f"{into}/bias",
        epsilon=1e-3,
        variance=np.ones(8),
        beta=np.zeros(8),
    )


def judged(honest, **reference):
    return fp16_range(honest("tftrt-fp16", reference={"noise": NOISE, **reference}))


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
    check = judged(
        honest,
        float16=(
            Float16Loss("conv/kernel", 7e4, 0, 0, values=9),
            Float16Loss("fc", 1.0, 0, 0, values=9),
        ),
    )
    assert (check.status, check.measured) == (Status.FAILED, 7e4)
    assert check.note.startswith("largest at conv/kernel")


def test_weights_that_lose_precision_are_told_and_do_not_fail(honest):
    losses = (
        Float16Loss("a", 1, 0.02, 0, values=9),
        Float16Loss("b", 1, 0.5, 0.1, values=9),
        Float16Loss("c", 1, 0.009, 0, values=9),
    )
    check = judged(honest, float16=losses)
    assert check.status is Status.PASSED
    assert check.note == (
        "largest at conv; 50.0% of b is subnormal in float16, and over 1% of 1 more weight; "
        "rounding moves logits by 1.0e-02 std"
    )


def test_a_model_whose_layers_are_unseen_is_skipped_with_the_reason(honest):
    check = judged(honest, layers=())
    assert check.status is Status.SKIPPED
    assert "no functional graph" in check.note


def test_what_is_folded_away_cannot_overflow(honest):
    norms = (norm(name="bn", into="conv"),)
    layers = (Layer("conv", 3e5), Layer("bn", 4.0), Layer("logits", 3.0))
    check = judged(honest, layers=layers, norms=norms)
    assert (check.status, check.measured) == (Status.PASSED, 4.0)
    assert [entry["name"] for entry in check.details["layers"]] == ["bn", "logits"]


def test_rounding_that_moves_logits_too_far_fails_by_what_it_moves(honest):
    layers = (LayerNoise("conv", 0, 0.7, 0.1), LayerNoise("logits", 0, 0.8, 0.2))
    check = judged(honest, noise=Noise(1e-5, 0.8, 0.2, layers))
    assert (check.status, check.measured, check.allowed, check.unit) == (
        Status.FAILED, 0.8, ROUNDED.largest, "std",
    )  # fmt: skip
    assert check.note.endswith("; keep conv in FP32")


def test_outputs_that_are_no_floats_are_not_held_against_what_rounding_moves(honest):
    whole = Contract((), (Tensor("best", "int64", ("batch",)),))
    check = judged(honest, noise=Noise(math.nan, math.nan, math.nan), contract=whole)
    assert check.status is Status.PASSED
    assert check.note.endswith("no output is a float, so what rounding moves is unseen")


def test_without_a_simulation_there_is_no_pass(honest):
    check = judged(honest, noise=None)
    assert check.status is Status.SKIPPED
    assert check.note.endswith("what rounding does could not be measured")
    assert check.details["layers"][0] == {
        "name": "conv", "largest": 10.0, "subnormal_weights": 0.0, "zero_weights": 0.0,
    }  # fmt: skip


def test_an_overflow_fails_with_or_without_a_simulation(honest):
    check = judged(honest, noise=None, layers=(Layer("deep", 7e4),))
    assert (check.status, check.measured) == (Status.FAILED, 7e4)
    assert check.note.endswith("keep deep in FP32")


def test_nothing_is_said_of_a_precision_that_was_not_asked_for(honest):
    layers = (LayerNoise("conv", 0, 0, 0.02), LayerNoise("logits", 0, 0, 0.6))
    check = judged(honest, noise=Noise(1e-5, 1e-2, 0.6, layers))
    assert check.status is Status.PASSED
    assert "8 bits" not in check.note
    assert not any("int8_error" in layer for layer in check.details["layers"])


def test_shares_are_of_all_weights_of_the_layer(honest):
    """A bias of 8 that is lost beside a kernel of 216 is 3.6 % of the layer, not all of it."""
    losses = (
        Float16Loss("conv/kernel", 1, 0, 0, values=216),
        Float16Loss("conv/bias", 1e-9, 1.0, 1.0, values=8),
    )
    (conv, _) = judged(honest, float16=losses).details["layers"]
    assert (conv["subnormal_weights"], conv["zero_weights"]) == (0.03571, 0.03571)


def test_weights_deep_within_a_layer_are_its_own(honest):
    losses = (Float16Loss("outer/conv/cell/kernel", 1, 0.5, 0.25, values=4),)
    (conv, logits) = judged(honest, float16=losses).details["layers"]
    assert (conv["subnormal_weights"], conv["zero_weights"]) == (0.5, 0.25)
    assert "zero_weights" not in logits
