"""Errors that mean too little memory or disk are recognised, in whatever words a library has."""

import errno

import pytest

from export.errors import ExportError, Shortage
from export.shortage import disk_line, memory_line, shortage


class ResourceExhaustedError(Exception):
    """As TensorFlow's, which is none of Python's own kinds."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
        ResourceExhaustedError("OOM when allocating tensor with shape[9]"),
    ],
)
def test_too_little_memory_is_recognised(error):
    assert str(shortage(error)).startswith("not enough memory: ")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("1536 requested and 992 written"),
    ],
)
def test_too_little_disk_is_recognised_and_names_the_folder(error, tmp_path):
    assert str(shortage(error, [tmp_path])).startswith(f"no space left in {tmp_path}: ")


def test_the_folder_of_the_file_that_did_not_fit_goes_before_others(tmp_path):
    (tmp_path / "full").mkdir()
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "full" / "file"))
    assert f"no space left in {tmp_path / 'full'}: " in str(shortage(error, [tmp_path]))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a name with std::bad_alloc in it"),
        OSError(errno.ENOENT, "No such file or directory"),
        ExportError("a layer called OOM cannot be exported"),
        RuntimeError("a shape that does not fit"),
    ],
)
def test_other_errors_are_left_alone(error):
    assert shortage(error) is None


def test_a_shortage_stays_the_one_that_it_is():
    error = Shortage("no room")
    assert shortage(error) is error


def test_too_many_open_files_are_a_shortage_with_the_limit():
    assert "ulimit -n" in str(shortage(OSError(errno.EMFILE, "Too many open files")))


def test_a_file_over_the_limit_of_the_shell_is_a_shortage():
    assert "a file would grow past the limit" in str(shortage(OSError("File too large")))


def test_what_is_missing_on_a_disk_is_said_where_it_is_known(tmp_path):
    assert " too little" in disk_line([tmp_path], wanted=1 << 60)
    assert " too little" not in disk_line([tmp_path])


def test_how_much_memory_was_asked_for_is_said_where_numpy_does():
    line = memory_line("Unable to allocate 7.45 GiB for an array with shape (1000000000,)")
    assert line.startswith("not enough memory (unable to allocate 7.45 GiB): ")
