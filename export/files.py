"""Files that are written whole, kept through a power cut, and read only as far as they are ours.

A reader sees the old content of a path or the new one, never half; what a path links to is never
written.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

from export.errors import ArtifactError


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write `content` (text as UTF-8) to `path` in one step, on disk when this returns.

    The new file is made under a fresh name beside `path`, exclusively, so that no link planted
    there is followed; a link at `path` itself is replaced, not written through.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_tree(folder: Path) -> None:
    """Have every file and folder at or below `folder` on disk when this returns."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink() and path.is_file():
                _sync(path)
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on disk, on file systems that can do that for a folder."""
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
    larger, and FileNotFoundError where there is nothing.
    """
    with open_regular(path) as file:
        data = file.read(largest + 1)  # its size may be wrong, as in /proc
    if len(data) > largest:
        raise ArtifactError(f"{path} is larger than {largest >> 20} MiB")
    return data


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; ArtifactError, at once, for a pipe or the like."""
    # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise ArtifactError(f"{path} is no regular file")
    return file
