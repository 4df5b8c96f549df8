"""What went wrong, in one line."""

import pytest

from export.errors import in_a_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("disk is full"), "OSError: disk is full"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (RuntimeError(), "RuntimeError: "),
    ],
)
def test_an_error_in_a_line_is_its_class_and_the_first_line_of_what_it_says(error, line):
    assert in_a_line(error) == line
