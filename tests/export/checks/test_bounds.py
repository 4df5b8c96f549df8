"""How much is allowed, and how that is said."""

import math

import pytest

from export.checks.bounds import REORDERED, ROUNDED, bound
from export.observe.noise import Noise


def noise(fp32=1e-5, fp16=1e-2):
    return Noise(fp32, fp16, 0.1)


def test_a_multiple_of_the_noise_is_allowed():
    found = bound(noise(), REORDERED, 1.0)
    assert found.allowed == pytest.approx(8e-5)
    assert found.note == "8 times the noise of 1.0e-05 std is allowed"
    assert found.details["noise"] == 1e-5


def test_a_bound_is_never_smaller_or_larger_than_its_limits_and_says_so():
    least = bound(noise(fp32=1e-9), REORDERED, 1.0)
    assert least.allowed == REORDERED.smallest
    assert least.note == "the noise is 1.0e-09 std, and 2.0e-05 is always allowed"
    most = bound(noise(fp16=9.0), ROUNDED, 1.0)
    assert most.allowed == ROUNDED.largest
    assert most.note == "the noise is 9.0e+00 std, and more than 5.0e-01 is never allowed"


@pytest.mark.parametrize("unknown", [None, noise(fp32=math.nan), noise(fp32=math.inf)])
def test_without_noise_a_fixed_bound_is_allowed(unknown):
    found = bound(unknown, REORDERED, 3e-4)
    assert found.allowed == 3e-4
    assert found.note == "a fixed bound, because no noise could be measured"
    assert found.details == {}
