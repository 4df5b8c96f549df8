"""Write files whole, keep them through a power cut, and read only regular files of bounded size.

A reader sees the old content of a path or the new one, never half; what a path links to is never
written.
"""

import errno
import fcntl
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from export.errors import ArtifactError


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write `content` (text as UTF-8) to `path` in one step, on disk when this returns.

    The new file is made under a fresh name beside `path`, exclusively, so that no link planted
    there is followed; a link at `path` itself is replaced, not written through. What a killed
    process left of an earlier one is removed.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    sweep(path)
    handle, fresh = _fresh(path)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp lets nobody else read
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(fresh, path)  # noqa: PTH105
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


def sweep(path: Path) -> None:
    """Remove unfinished files for `path` that killed processes have left behind."""
    left = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}\.partial")
    for other in path.parent.iterdir():
        if left.fullmatch(other.name):
            _remove_if_left(other)


def _fresh(path: Path) -> tuple[int, str]:
    """Make a new file beside `path`, locked as long as it is open; return its handle and name."""
    while True:
        handle, fresh = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".partial", dir=path.parent
        )
        with suppress(OSError):  # a file system that cannot lock: nobody sweeps there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, fresh
        os.close(handle)  # it was swept away before it was locked


def _remove_if_left(path: Path) -> None:
    """Remove an unfinished file of this user unless a process still has it open."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # a link, or somebody else's
    try:
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)  # under the lock, or it may be a new one by now
    except OSError:
        return  # somebody is writing it
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_tree(folder: Path) -> None:
    """Flush every file and folder at or below `folder` to disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink() and path.is_file():
                _sync(path)
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to disk, if its file system can do that for a folder."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES):
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bounded(path: Path, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises ArtifactError for what is no regular file, such as a pipe, which would never end, or is
    larger, and FileNotFoundError if there is nothing.
    """
    with open_regular(path) as file:
        data = file.read(largest + 1)  # its size may be wrong, as in /proc
    if len(data) > largest:
        raise ArtifactError(f"{path} is larger than {largest >> 20} MiB")
    return data


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; raise ArtifactError at once for a pipe or a device."""
    # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise ArtifactError(f"{path} is no regular file")
    return file
