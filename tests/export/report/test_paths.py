"""Names of files in reports and ledgers are asked before they are joined to a path."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.report.paths import check_path


@pytest.mark.parametrize(
    "name",
    ["model.onnx", "1/saved_model.pb", "1/variables/variables.data-00000-of-00001", "1/Ünï cöde.x"],
)
def test_a_path_below_a_folder_is_taken_as_it_is(name):
    assert check_path(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "1//home/me/.bashrc",
        "/etc/passwd",
        "//server/share",
        "./x",
        "1/./x",
        "a/../b",
        "..",
        ".",
        "",
        "x/",
        "1\\x",
        "..\\x",
        "C:x",
        "C:/x",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202eb",
        "a\ud800b",
        "x" * 256,
        "é" * 128,
        "x/" * 600 + "y",
        None,
        7,
    ],
)
def test_what_is_no_path_below_a_folder_is_refused_in_one_printable_line(name):
    with pytest.raises(ValueError, match="cannot name a file") as caught:
        check_path(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@given(st.text(alphabet="ab1./\\:\0 \n~é", max_size=12))
def test_whatever_is_taken_stays_below_the_folder_and_has_one_spelling(name):
    try:
        check_path(name)
    except ValueError:
        return
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert PurePosixPath("/stage", name).parts[2:] == tuple(parts)
