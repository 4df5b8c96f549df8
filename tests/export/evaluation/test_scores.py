"""Best classes to fractions of the pictures that could be read."""

import numpy as np
import pytest

from export.evaluation.ranks import BROKEN, NOTHING, UNDONE
from export.evaluation.scores import score


def test_top1_and_top5_are_of_the_pictures_that_could_be_read():
    best = np.array([[3, 1, 2, 0, 4], [1, 3, 2, 0, 4], [5, 6, 7, 8, 9], [BROKEN] * 5, [UNDONE] * 5])
    found = score(best, np.array([3, 3, 3, 3, 3]))
    assert (found.pictures, found.top1, found.top5) == (3, 1 / 3, 2 / 3)


def test_a_picture_answered_with_nan_counts_as_wrong_and_agrees_with_nothing():
    best = np.array([[1, 0], [NOTHING, NOTHING]])
    found = score(best, np.array([1, 1]), reference=best)
    assert (found.top1, found.nothing, found.agreement) == (0.5, 1, 0.5)


def test_agreement_is_of_first_choices():
    found = score(np.array([[1, 0], [0, 1]]), np.array([1, 0]), np.array([[1, 0], [1, 0]]))
    assert (found.top1, found.agreement) == (1.0, 0.5)


def test_the_margin_is_wilsons_and_not_zero_where_all_were_right():
    best = np.zeros((100, 2), int)
    assert score(best, np.zeros(100)).margin == pytest.approx(0.0185, abs=1e-4)
    half = score(best, np.arange(100) % 2)
    assert half.margin == pytest.approx(0.0962, abs=1e-4)


def test_no_picture_read_is_an_error():
    with pytest.raises(ValueError, match="not one picture"):
        score(np.array([[BROKEN, BROKEN]]), np.array([0]))
