"""Counts and lists as a sentence has them."""

import pytest

from export.wording import counted, listed, unit_of


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
