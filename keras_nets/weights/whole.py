"""Files that are there whole or not at all, after a kill or a power cut too."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place at the end.

    On an error it vanishes. What a killed process left of the same file is removed first. At the
    end the file is on disk, and so is its name.
    """
    _remove_orphans(path)
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")  # keeps the ending, for Keras
    try:
        yield unfinished
        move(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def move(unfinished: Path, path: Path) -> None:
    """Put a finished file in the place of `path`, with its values and its name on disk."""
    _sync(unfinished, os.O_RDWR)
    unfinished.replace(path)
    with suppress(OSError):  # some file systems cannot do it for a folder
        _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, mode: int) -> None:
    handle = os.open(path, mode | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_orphans(path: Path) -> None:
    """Remove what `whole` left beside `path` in processes that are no more."""
    with suppress(FileNotFoundError):  # a missing folder is reported when it is written to
        for left in path.parent.iterdir():
            found = re.fullmatch(r"\.(\d{1,9})-" + re.escape(path.name), left.name)
            if found and not _is_another(int(found[1])):
                left.unlink(missing_ok=True)


def _is_another(process: int) -> bool:
    """Return whether a process with this number runs, other than this one."""
    try:
        os.kill(process, 0)
    except PermissionError:  # it runs, for somebody else
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return process != os.getpid()
