"""A softmax or sigmoid is undone, as far as its rounding lets anybody."""

import numpy as np
import pytest

from export.endings import undone

LOGITS = np.random.default_rng(0).normal(0, 4, (50, 7)).astype(np.float32)


def softmax(values):
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def test_a_softmax_gives_the_logits_but_for_a_number_of_the_row():
    off = undone(softmax(LOGITS), "softmax") - LOGITS
    assert np.ptp(off, axis=1).max() < 1e-5


def test_a_sigmoid_gives_the_logits_that_it_does_not_round_away():
    got = undone(1 / (1 + np.exp(-LOGITS)), "sigmoid")
    low = LOGITS < 5
    np.testing.assert_allclose(got[low], LOGITS[low], atol=1e-4)
    assert (got[~low] > 4.9).all()


@pytest.mark.parametrize("ending", ["softmax", "sigmoid"])
def test_what_is_no_probability_is_no_number(ending):
    made = undone(np.float32([[0.5, -0.1, 1.5, np.nan]]), ending)
    assert np.isnan(made).tolist() == [[False, True, True, True]]


def test_in_16_bits_small_probabilities_are_alike():
    tiny = np.float32([[0.0, 1e-6, 1e-5, 0.9]])
    assert len(set(undone(tiny, "softmax", coarse=True)[0].tolist())) == 2


def test_without_an_ending_nothing_changes():
    assert undone(LOGITS, "") is LOGITS
