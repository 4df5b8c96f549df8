"""What a child, or anybody, says of an exception: one line."""

import pytest

from export.child import in_a_line
from export.errors import ArtifactError


class OpError(Exception):
    """As a session of TensorFlow raises it: around one that has the words of the operation."""

    message = "2 root error(s) found.\n  (0) no kernel for it"


def in_session():
    try:
        raise OpError("a trace")
    except OpError:
        raise RuntimeError("Graph execution error:\n\na trace") from None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("disk is full"), "OSError: disk is full"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n\n  third\n"), "ValueError: third"),
        (RuntimeError(), "RuntimeError"),
        (ArtifactError("it is gone;\nexport it again"), "it is gone; export it again"),
    ],
)
def test_an_error_in_a_line_is_its_class_and_the_first_line_of_what_it_says(error, line):
    assert in_a_line(error) == line


def test_what_a_session_wraps_is_told_in_the_words_of_the_operation():
    with pytest.raises(RuntimeError) as raised:
        in_session()
    assert in_a_line(raised.value) == "RuntimeError: (0) no kernel for it"
