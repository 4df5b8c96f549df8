"""Counts, lists, numbers, sizes and times as people read them."""

import pytest

from export.wording import counted, duration, listed, number, size, times, unit_of


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 engines"), (1, "1 engine"), (2, "2 engines"), (2000, "2,000 engines")],
)
def test_one_is_singular_and_all_else_is_plural(number, text):
    assert counted(number, "engine") == text
    assert counted(2, "mismatch", "mismatches") == "2 mismatches"


@pytest.mark.parametrize(
    ("things", "text"), [([1], "1"), ([1, 4], "1 and 4"), ([1, 4, 8], "1, 4 and 8")]
)
def test_a_list_ends_with_and(things, text):
    assert listed(things) == text


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1, "differences", "difference"),
        (2, "differences", "differences"),
        (1, "bugs caught", "bug caught"),
        (1, "std", "std"),
        (1, "", ""),
        (0.5, "engines", "engines"),
    ],
)
def test_a_unit_is_singular_behind_one(number, unit, text):
    assert unit_of(number, unit) == text


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
    [
        (None, "–"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (5_012_345, "5.0 MB"),
        (1_914_363_904, "1.91 GB"),
    ],
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


def test_a_missing_number_is_what_is_asked_for():
    assert number(None, "std", missing="-") == "-"
