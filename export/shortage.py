"""Recognise errors that mean too little memory or disk, and say how much there is.

Libraries report these in their own words: std::bad_alloc, RESOURCE_EXHAUSTED, "1536 requested and
992 written", or not at all.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from export.errors import Shortage
from export.wording import size

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|\d+ requested and \d+ written|disk is full", re.I
)
TOO_LARGE = re.compile(r"File too large|File size limit exceeded")
NO_MEMORY = re.compile(
    r"std::bad_alloc|\bMemoryError\b|Cannot allocate memory|mmap error: 12|[Oo]ut of memory|"
    r"\bOOM\b|ResourceExhausted|RESOURCE_EXHAUSTED|can't start new thread|std::system_error|"
    r"failed to allocate|Unable to allocate"
)
LITTLE = 64 << 10  # bytes; a disk with less is full for whatever is made here


def shortage(
    error: BaseException, folders: Iterable[Path] = (), wanted: int = 0
) -> Shortage | None:
    """Return `error` as a Shortage of memory or disk in one line, or None if it means neither.

    `folders` were being written to, by default the current and the temporary one; `wanted` is how
    many bytes were still to be written, if that is known.
    """
    if isinstance(error, Shortage):
        return error
    text = f"{type(error).__name__}: {error}"
    if (isinstance(error, OSError) and error.errno in FULL) or NO_DISK.search(text):
        named = [error.filename] if isinstance(error, OSError) and error.filename else folders
        return Shortage(disk_line(map(Path, named), wanted))
    if TOO_LARGE.search(text):
        return Shortage(_file_line())
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return Shortage(_handles_line())
    if isinstance(error, MemoryError):
        return Shortage(memory_line(f"{error}"))
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return Shortage(memory_line())
    # Other exceptions are believed by their text only where a library raised them.
    foreign = not type(error).__module__.startswith(("export.", "keras_nets."))
    if foreign and not isinstance(error, (ValueError, OSError)) and NO_MEMORY.search(text):
        return Shortage(memory_line())
    return None


def shortage_of_child(log: str, folder: Path) -> str:
    """Return the line on what a child process lacked, judged by its `log`; "" if nothing."""
    if NO_DISK.search(log) or free(folder) < LITTLE:
        return disk_line([folder])
    if TOO_LARGE.search(log):
        return _file_line()
    return memory_line() if NO_MEMORY.search(log) else ""


def disk_line(folders: Iterable[Path], wanted: int = 0) -> str:
    """Say which of `folders` is full, how much is missing, and what to do."""
    import tempfile

    folders = tuple(folders) or (Path(tempfile.gettempdir()), Path.cwd())
    folder = min(map(_existing, folders), key=free)
    room = free(folder)
    missing = f", {size(wanted - room)} too little" if wanted > room else ""
    if _is_temporary(folder):
        todo = "or set TMPDIR to a folder on a larger disk"
    else:
        todo = "or choose another folder"
    return (
        f"no space left in {folder}: {size(room)} free{missing}{_files(folder)}; free some, {todo}"
    )


def memory_line(text: str = "") -> str:
    """Say that memory was too little, how much is free, and what to do."""
    asked = re.search(r"Unable to allocate [\d.]+ \w+", text)
    why = f" ({asked[0][0].lower()}{asked[0][1:]})" if asked else ""
    return (
        f"not enough memory{why}: {size(_memory())} free{_limit()}; close other programs, or "
        "choose a smaller network"
    )


def free(folder: Path) -> int:
    """Return how many bytes this user may still write to the disk of `folder`."""
    return shutil.disk_usage(_existing(folder)).free


def _file_line() -> str:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    which = "" if limit == resource.RLIM_INFINITY else f" of {size(limit)} (ulimit -f)"
    return f"a file would grow past the limit{which}; raise it, or choose another folder"


def _handles_line() -> str:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"too many files are open: this process may have {limit} (ulimit -n); allow more"


def _existing(path: Path) -> Path:
    path = Path(path).absolute()
    return next(p for p in (path, *path.parents) if p.is_dir())


def _files(folder: Path) -> str:
    """Return a remark if the disk has bytes left but can hold no more files, else ""."""
    found = os.statvfs(folder)
    return " and no more files" if found.f_files and not found.f_favail else ""


def _is_temporary(folder: Path) -> bool:
    import tempfile

    return folder.is_relative_to(Path(tempfile.gettempdir()).absolute())


def _memory() -> int:
    import psutil

    return psutil.virtual_memory().available


def _limit() -> str:
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "" if limit == resource.RLIM_INFINITY else f", and ulimit -v allows {size(limit)}"
