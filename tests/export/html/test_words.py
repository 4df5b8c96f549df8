"""Numbers as people read them."""

import pytest

from export.html.words import duration, number, size, tick, times


@pytest.mark.parametrize(
    "value, said",
    [
        (None, "–"),
        (0, "0"),
        (0.0, "0"),
        (61_100_840, "61,100,840"),
        (3.8146e-06, "3.8e-06"),
        (0.37, "0.37"),
        (9.8523, "9.85"),
        (65504.0, "65,504"),
        (1234.5, "1,234"),
        (1e30, "1.0e+30"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_short(value, said):
    assert number(value) == said


def test_a_number_names_its_unit():
    assert number(1e-4, "std") == "1.0e-04 std"


@pytest.mark.parametrize(
    "value, said",
    [(None, "–"), (0, "0 B"), (999, "999 B"), (5_012_345, "5.0 MB"), (1_914_363_904, "1.91 GB")],
)
def test_sizes_are_decimal(value, said):
    assert size(value) == said


@pytest.mark.parametrize("value, said", [(None, "–"), (60.23, "60.2 s"), (237.4, "3 min 57 s")])
def test_long_times_have_minutes(value, said):
    assert duration(value) == said


@pytest.mark.parametrize(
    "value, said",
    [(2.44, "2.4 times"), (26.2, "26 times"), (2057, "2,100 times"), (1e9, "10⁹ times")],
)
def test_ratios(value, said):
    assert times(value) == said


@pytest.mark.parametrize(
    "value, said", [(1e-4, "10⁻⁴"), (5e-5, "5·10⁻⁵"), (0.02, "0.02"), (1000, "1,000"), (1e6, "10⁶")]
)
def test_ticks(value, said):
    assert tick(value) == said
