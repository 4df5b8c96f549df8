"""Parity on liars: whatever is not the model's logits fails."""

import numpy as np
import pytest

from export.checks.outputs import SAME, compare
from export.checks.parity import parity
from export.contract import Contract, Tensor
from export.results import Status

RANDOM = np.random.default_rng(7)
WANTED = RANDOM.standard_normal((8, 5)).astype(np.float32)
TOLERANCE = 1e-4


def status(got, wanted=WANTED, tolerance=TOLERANCE):
    return compare("parity", wanted, got, tolerance).status


def test_equal_logits_pass_with_no_error_and_full_agreement():
    check = compare("parity", WANTED, WANTED.copy(), TOLERANCE)
    assert (check.status, check.measured, check.allowed, check.unit) == (
        Status.PASSED, 0.0, TOLERANCE, "std",
    )  # fmt: skip
    assert check.note.startswith("top-1 equal on 8 of 8, ")


def test_the_agreement_of_first_choices_says_what_it_rests_on():
    wanted = np.array([[1.0, 3.0, 0.0], [5.0, 1.0, 0.0], [0.0, 2.0, 1.5]], np.float32)
    check = compare("parity", wanted, wanted.copy(), TOLERANCE)
    lead = float(f"{0.5 / wanted.std():.3e}")
    assert check.details["top1"] == {"equal": 3, "of": 3, "classes": 2, "smallest_lead": lead}
    assert check.note == f"top-1 equal on 3 of 3, 2 classes that lead by {lead:.1e} std or more"


def test_one_class_leads_nobody():
    wanted = np.array([[1.0], [-1.0]], np.float32)
    check = compare("parity", wanted, wanted.copy(), TOLERANCE)
    assert check.details["top1"]["smallest_lead"] is None
    assert check.note == "top-1 equal on 2 of 2"


def swapped(a, b):
    order = list(range(5))
    order[a], order[b] = order[b], order[a]
    return WANTED[:, order]


def one(value, at=(3, 2)):
    got = WANTED.copy()
    got[at] = value
    return got


LIARS = {
    "classes reversed": WANTED[:, ::-1],
    "two classes swapped": swapped(1, 3),
    "images shuffled": WANTED[::-1],
    "shifted by a constant": WANTED + 0.01,
    "scaled": WANTED * 1.01,
    "rounded to bfloat16": (WANTED.view(np.uint32) & 0xFFFF0000).view(np.float32),
    "softmax instead of logits": np.exp(WANTED) / np.exp(WANTED).sum(axis=1, keepdims=True),
    "all zero": np.zeros_like(WANTED),
    "one NaN": one(np.nan),
    "all NaN": np.full_like(WANTED, np.nan),
    "one infinity": one(np.inf),
    "one negative infinity": one(-np.inf),
    "one value off": one(WANTED[3, 2] + 2e-4 * WANTED.std()),
    "one image for all": np.repeat(WANTED[:1], 8, axis=0),
    "a class too few": WANTED[:, :4],
    "a class too many": np.pad(WANTED, ((0, 0), (0, 1))),
    "an image too few": WANTED[:7],
    "transposed": WANTED.T,
    "nothing": np.zeros((0, 0), np.float32),
    "one axis too many": WANTED[None],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("liar", LIARS)
def test_what_is_not_the_models_logits_fails(liar):
    assert status(LIARS[liar]) is Status.FAILED


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_the_error_is_measured_in_standard_deviations_of_the_reference(scale):
    wanted = WANTED * np.float32(scale)
    check = compare("parity", wanted, one(0) * np.float32(scale), TOLERANCE)
    assert check.measured == pytest.approx(abs(WANTED[3, 2]) / WANTED.std(), rel=1e-5)


FLAT = {
    "all zero": np.zeros((8, 5), np.float32),
    "fresh weights": WANTED * np.float32(1e-4),
    "NaN": one(np.nan),
    "infinite": one(np.inf),
}


@pytest.mark.filterwarnings("ignore:invalid value")  # the spread of infinities
@pytest.mark.parametrize("reference", FLAT)
def test_a_flat_reference_fails_whatever_it_is_compared_with(reference):
    wanted = FLAT[reference]
    check = compare("parity", wanted, wanted.copy(), TOLERANCE)
    assert check.status is Status.FAILED
    assert "logits are flat:" in check.note or "logits are not finite" in check.note
    assert check.measured is None, "a small number beside a bound would read as a pass"


def test_a_reference_that_is_the_same_for_every_image_fails():
    wanted = np.repeat(WANTED[:1], 8, axis=0) + RANDOM.normal(0, SAME / 10, WANTED.shape)
    check = compare("parity", wanted, wanted.copy(), TOLERANCE)
    assert check.status is Status.FAILED
    assert "the same for every image" in check.note


def test_a_top_1_that_differs_within_tolerance_passes_only_where_the_model_wavers():
    wanted = np.array([[1.0, 1.01, -2.0], [3.0, 0.0, -1.0]], np.float32)
    got = wanted + np.array([[0.02, -0.02, 0.0], [0.0, 0.0, 0.0]], np.float32)
    loose = compare("engine", wanted, got, 0.05)
    assert loose.status is Status.PASSED
    assert loose.note.startswith("top-1 equal on 1 of 2")
    assert compare("engine", wanted, got, 1e-3).status is Status.FAILED


def test_parity_says_what_ran_where_it_was_not_the_engine(honest):
    assert parity(honest("tftrt-fp16")).note.startswith("numpy; ")
    assert parity(honest("onnx")).note.startswith("top-1 equal on 8 of 8")


def test_one_logit_an_image_is_compared():
    wanted = WANTED[:, :1]
    assert status(wanted.copy(), wanted) is Status.PASSED
    assert status(-wanted, wanted) is Status.FAILED


def test_an_artifact_that_is_right_at_one_length_alone_fails(honest):
    axes = ("batch", "height", "width", 3)
    contract = Contract((Tensor("image", "float32", axes),), (Tensor("logits", "float32", LOGITS),))
    other = {"image": np.zeros((4, 3, 2, 3), np.float32)}
    wanted = RANDOM.standard_normal((4, 5)).astype(np.float32)
    reference = {"contract": contract, "resized": other, "resized_outputs": {"logits": wanted}}
    for seen, text in (
        ({"resized": {"logits": wanted + 0.1}}, "at height 3, width 2, top-1 equal on 4 of 4"),
        ({"resized_error": "Got 3, expected 4"}, "at height 3, width 2 it does not run: Got 3"),
        ({}, "at height 3, width 2, logits of shape (0, 0) instead of (4, 5)"),
    ):
        check = parity(honest(reference=reference, observation=seen))
        assert check.status is Status.FAILED and text in check.note
    right = parity(honest(reference=reference, observation={"resized": {"logits": wanted}}))
    assert right.status is Status.PASSED
    assert right.note.endswith("; compared at height 3, width 2 too, off by 0.0e+00 std")


LOGITS = ("batch", 5)


def test_what_is_called_logits_may_be_of_any_rank():
    wanted = RANDOM.standard_normal((4, 7, 5)).astype(np.float32)
    check = compare("parity", wanted, wanted.copy(), TOLERANCE)
    assert (check.status, check.note) == (Status.PASSED, "logits of 4 inputs compared")
