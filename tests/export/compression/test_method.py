"""What can be asked of a compression."""

import pytest

from export.compression.method import Method, read_prune


@pytest.mark.parametrize(("text", "read"), [("0.5", 0.5), ("2:4", "2:4"), ("1e-3", 0.001)])
def test_a_share_or_the_pattern_is_read(text, read):
    assert read_prune(text) == read


@pytest.mark.parametrize("text", ["0", "1", "1.5", "-0.1", "50%", "nan", "4:2", ""])
def test_what_is_neither_is_refused_with_what_was_given(text):
    with pytest.raises(ValueError, match="between 0 and 1, as 0.5, or 2:4. Received: '") as error:
        read_prune(text)
    assert str(error.value).endswith(f"{text!r}")


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({}, "there is nothing to do; ask for --prune"),
        ({"cluster": 1}, "from 2 to 256. Received: 1"),
        ({"cluster": 2, "prune": 0.5}, "of a pruned network takes a whole number from 3"),
        ({"prune": 1.0}, "between 0 and 1"),
        ({"prune": "1:4"}, "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, line):
    with pytest.raises(ValueError, match=line):
        Method(**asked)
