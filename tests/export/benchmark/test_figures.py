import math

import numpy as np
import pytest

from export.benchmark.figures import beyond_noise, percentile, ratio, unstable


def test_a_median_is_bounded_by_values_that_were_measured():
    found = percentile(range(101), 0.5)
    assert found.value == 50
    assert 38 <= found.low <= 42 and 58 <= found.high <= 62


def test_the_bounds_hold_the_true_percentile_95_times_of_100():
    draw = np.random.default_rng(0)
    for share in (0.5, 0.9):
        truth = -math.log(1 - share)
        held = 0
        for _ in range(400):
            found = percentile(draw.exponential(size=200), share)
            held += found.low <= truth <= found.high
        assert 0.92 <= held / 400 <= 0.99


def test_a_percentile_that_few_values_cannot_bound_has_no_upper_bound():
    assert percentile(range(50), 0.99).high == math.inf
    with pytest.raises(ValueError, match="of nothing"):
        percentile([], 0.5)


def test_rounds_that_disagree_are_said_to_be_unstable():
    assert unstable([10.0, 10.4, 10.9]) == ""
    assert unstable([10.0, 12.0]).startswith("unstable: medians of 2 rounds lie between 10 and 12")


def test_a_ratio_is_of_rounds_that_were_measured_side_by_side():
    # The machine slowed down by half in the third round, for both.
    assert ratio([2.0, 2.0, 3.0], [4.0, 4.0, 6.0]) == 0.5


def test_only_what_lies_apart_is_faster_or_slower():
    def record(low, high):
        return {"median_low_ms": low, "median_high_ms": high}

    assert beyond_noise(record(10, 11), record(8, 9)) == "faster"
    assert beyond_noise(record(10, 11), record(12, 13)) == "slower"
    assert beyond_noise(record(10, 11), record(10.5, 12)) == ""
