"""The histogram of logit errors: every value is counted once, also at the edges."""

import json

import numpy as np
import pytest

from export.checks.distribution import BINS, distribution


@pytest.mark.parametrize("scale", [1e-30, 3.7e-6, 1.0, 1e30])
def test_every_error_is_counted_once(scale):
    errors = np.random.default_rng(1).normal(0, scale, (8, 1000))
    told = distribution(errors)
    assert sum(told["counts"]) + told["smaller"] == told["values"] == 8000
    assert len(told["edges"]) == len(told["counts"]) + 1 == BINS + 1
    assert told["counts"][-1] >= 1  # the worst
    assert told["edges"][-1] == pytest.approx(np.abs(errors).max(), rel=1e-3)


def test_exact_logits_have_no_bins():
    told = distribution(np.zeros((2, 5)))
    assert told == {
        "values": 10, "median": 0.0, "p99": 0.0, "edges": [], "counts": [], "smaller": 10
    }  # fmt: skip


def test_a_single_error_lies_in_the_last_bin():
    told = distribution(np.array([[0, 0.5]]))
    assert told["counts"][-1] == 1
    assert told["smaller"] == 1


def test_the_histogram_is_json():
    assert json.loads(json.dumps(distribution(np.float32([[1, -2e-8]]))))["values"] == 2
