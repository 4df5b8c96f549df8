"""The folder that a model's artifacts lie in."""

import pytest

from keras_nets.errors import SourceError
from keras_nets.sources.naming import LONGEST, safe_name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("vgg13", "vgg13"),
        ("My Net", "My-Net"),
        ("a/b\\c", "a-b-c"),
        ("../../etc", "etc"),
        (".hidden", "hidden"),
        ("x" * 300, "x" * LONGEST),
        ("été_1.0", "t-_1.0"),
    ],
)
def test_a_name_is_made_one_folder(name, folder):
    assert safe_name(name) == folder


@pytest.mark.parametrize("name", ["", "..", "/", "界"])
def test_a_name_of_which_nothing_is_left_is_one_line(name):
    with pytest.raises(SourceError, match="cannot name a folder; choose a name .* with --name"):
        safe_name(name)
