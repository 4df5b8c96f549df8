"""Names from reports and ledgers are asked before a server is told of them."""

import pytest

from export.serving.names import check_name, suggest


@pytest.mark.parametrize("name", ["a/b", "", ".x", "-x", "My Model", "модель", "x\n", "x" * 129, 3])
def test_a_name_must_fit_into_a_url(name):
    with pytest.raises(ValueError, match="letters, digits"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [("My Model", "My-Model"), ("модель", "my-model"), ("../x/", "x"), ("n" * 300, "n" * 128)],
)
def test_the_name_that_is_suggested_would_be_taken(name, near):
    assert suggest(name) == near
    assert check_name(near) == near
