"""How much is allowed, and how that is said."""

import math
from dataclasses import replace

import pytest

from export.checks.bounds import bound
from export.observe.noise import Noise
from export.results import REORDERED, ROUNDED


def noise(fp32=1e-5, fp16=1e-2):
    return Noise(fp32, fp16, 0.1)


def test_a_multiple_of_the_noise_is_allowed():
    found = bound(noise(), REORDERED)
    assert found.allowed == pytest.approx(8e-5)
    assert found.note == "8 times the noise of 1.0e-05 std is allowed"
    assert found.details == {"noise": 1e-5, "margin": 8, "noise_from": REORDERED.source}


def test_a_bound_is_never_smaller_or_larger_than_its_limits_and_says_so():
    least = bound(noise(fp32=1e-9), REORDERED)
    assert least.allowed == REORDERED.smallest
    assert least.note == "the noise is 1.0e-09 std, and 2.0e-05 is always allowed"
    most = bound(noise(fp16=9.0), ROUNDED)
    assert most.allowed == ROUNDED.largest
    assert most.note == "the noise is 9.0e+00 std, and more than 5.0e-01 is never allowed"


@pytest.mark.parametrize("rule", [REORDERED, ROUNDED])
def test_a_bound_neither_vanishes_nor_lets_everything_pass(rule):
    assert bound(Noise(0.0, 0.0, 0.0), rule).allowed == rule.smallest > 0
    assert bound(Noise(1e3, 1e3, 1e3), rule).allowed == rule.largest < 1


@pytest.mark.parametrize("unknown", [None, noise(fp32=math.nan), noise(fp32=math.inf)])
def test_without_noise_a_fixed_bound_is_allowed(unknown):
    found = bound(unknown, replace(REORDERED, fixed=3e-4))
    assert found.allowed == 3e-4
    assert found.note == "a fixed bound, because no noise could be measured"
    assert found.details == {}
