"""Counts and lists as a sentence has them."""

import pytest

from export.wording import counted, listed


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
