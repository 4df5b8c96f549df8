"""Files and folders that a command line names: what is said of those that do not fit."""

from pathlib import Path

import pytest

from export.commandline.paths import need_file, need_folder, need_writable


@pytest.fixture
def place(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\n")
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_what_fits_is_let_through(place):
    need_file("--labels", place / "labels.txt", "a file")
    need_folder("--images", place / "photos", "a folder")
    need_writable("--out", place)
    need_writable("--out", place / "new" / "newer")
    assert {path.name for path in place.iterdir()} == {"labels.txt", "photos"}


@pytest.mark.parametrize(
    ("need", "name", "said"),
    [
        (need_file, "photos", "is a folder; name a thing"),
        (need_file, "label.txt", "is not there; did you mean {}/labels.txt? Or name a thing"),
        (need_file, "no/such", "is not there; name a thing"),
        (need_folder, "labels.txt", "is a file; name a thing"),
        (need_folder, "phots", "is not there; did you mean {}/photos? Or name a thing"),
    ],
)
def test_what_does_not_is_told_with_what_to_name(place, need, name, said):
    with pytest.raises(ValueError) as caught:
        need("--option", place / name, "a thing")
    assert str(caught.value) == f"--option {place / name} {said.format(place)}"


@pytest.mark.parametrize("below", ["labels.txt", "labels.txt/exports"])
def test_no_folder_can_be_made_of_a_file(place, below):
    with pytest.raises(ValueError, match="is a file; choose another --out$"):
        need_writable("--out", place / below)


def test_a_folder_that_the_system_refuses_is_told_even_to_root():
    with pytest.raises(ValueError, match="^--out /proc/exports cannot be written: /proc says "):
        need_writable("--out", Path("/proc/exports"))
