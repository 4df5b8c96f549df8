"""Weights by hash, on artifacts that lost, changed, doubled or invented some."""

from dataclasses import replace

import numpy as np
import pytest

from export.checks.weights import weights
from export.formats.base import Found
from export.results import Status
from export.skeleton.pour import digest

STRANGER = Found("stranger", (4, 4), digest(np.ones((4, 4))))


def judged(honest, change, **options):
    trial = honest()
    held = change(list(trial.observation.weights))
    return weights(honest(observation={"weights": tuple(held)}, **options))


def test_every_tensor_found_once_passes_in_any_order(honest):
    check = judged(honest, reversed)
    assert (check.status, check.measured, check.unit) == (Status.PASSED, 0, "tensors")
    assert check.note == "3 tensors, each found once by its hash"


def test_the_names_of_the_artifact_do_not_matter(honest):
    renamed = judged(honest, lambda held: [replace(w, name=w.name[::-1]) for w in held])
    assert renamed.status is Status.PASSED


@pytest.mark.parametrize(
    ("change", "wrong", "note"),
    [
        (lambda held: held[1:], 1, "missing or changed: conv/kernel"),
        (lambda held: [], 3, "missing or changed: conv/kernel, conv/bias, fc"),
        (lambda held: [*held, held[2]], 1, "not the model's: fc"),
        (lambda held: [*held, STRANGER], 1, "not the model's: stranger"),
        (
            lambda held: [STRANGER, *held[1:]],
            2,
            "missing or changed: conv/kernel; not the model's: stranger",
        ),
        (lambda held: [held[1], *held[1:]], 2, "missing or changed: conv/kernel"),
    ],
    ids=["one lost", "all lost", "one doubled", "one too many", "one changed", "one twice"],
)
def test_a_lost_doubled_or_foreign_tensor_fails_and_is_named(honest, change, wrong, note):
    check = judged(honest, change)
    assert (check.status, check.measured, check.allowed) == (Status.FAILED, wrong, 0)
    assert note in check.note


def test_of_many_lost_tensors_three_are_named(honest):
    many = tuple(Found(f"w{i}", (2,), digest(np.full(2, i))) for i in range(9))
    check = weights(honest(reference={"weights": many}, observation={"weights": ()}))
    assert check.note == "missing or changed: w0, w1, w2 and 6 more"


def test_two_equal_weights_are_wanted_twice(honest):
    twin = Found("twin", (2,), digest(np.zeros(2)))
    both = {"weights": (twin, replace(twin, name="other"))}
    assert weights(honest(reference=both, observation=both)).status is Status.PASSED
    once = weights(honest(reference=both, observation={"weights": (twin,)}))
    assert once.status is Status.FAILED


def test_a_single_number_is_no_weight_that_was_added(honest):
    slope = Found("slope", (1,), digest(np.float32([0.1])))
    assert judged(honest, lambda held: [*held, slope]).status is Status.PASSED


def test_a_single_number_of_the_models_must_be_there(honest):
    slope = Found("slope", (1,), digest(np.float32([0.1])))
    trial = honest()
    wanted = (*trial.reference.weights, slope)
    assert weights(honest(reference={"weights": wanted})).status is Status.FAILED


def test_a_converter_that_worked_with_the_weights_is_skipped_with_the_reason(honest):
    check = judged(honest, lambda held: held[1:], stock="the converter lost conv/kernel")
    assert check.status is Status.SKIPPED
    assert "2 of 3 found" in check.note
    assert "the converter lost conv/kernel" in check.note
    assert judged(honest, list, stock="some reason").status is Status.PASSED


def test_a_constant_of_the_model_is_not_foreign(honest):
    check = judged(
        honest,
        lambda held: [*held, STRANGER],
        reference={"constants": frozenset({STRANGER.sha256})},
    )
    assert check.status is Status.PASSED
