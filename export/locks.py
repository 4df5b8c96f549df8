"""Locks between processes: each is an empty file beside what it locks, deleted after use.

The system releases a lock when its holder dies. The holder deletes the file, which is safe: it does
so under the lock, and each new holder checks that the file it locked is still the one at that path,
and starts again if not. filelock is no choice here, because it would empty any file that lies
there, and would wait for ever on a file system that cannot lock.
"""

import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

from export.errors import ExportError

PAUSE = 0.05  # seconds between looks at a lock that another process holds
KINDS = {
    stat.S_ISLNK: "a link",
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
}


@contextmanager
def locked(
    path: Path,
    waiting: Callable[[], None] = lambda: None,
    patience: float = inf,
    instead: str = "another folder",
) -> Iterator[None]:
    """Hold the lock file `path`, alone among the processes and threads of this machine.

    Its folder is made where it is missing. `waiting` is called once if another one holds the lock,
    which is then waited for, at most `patience` seconds. `instead` is what an error advises to
    choose where the folder does not do. Raises ExportError if that is too short,
    if something else than a lock file of this user lies there (a link is not followed, a pipe not
    waited for), or if the folder cannot be written or its file system cannot lock.
    """
    path = Path(path)
    handle = _acquire(path, waiting, patience, instead)
    try:
        yield
    finally:
        try:
            path.unlink(missing_ok=True)  # before it is released: until then it is ours
        finally:
            os.close(handle)


def _acquire(path: Path, waiting: Callable[[], None], patience: float, instead: str) -> int:
    """Open and lock the file at `path`; repeat if it was deleted before it was locked."""
    until = time.monotonic() + patience
    while True:
        handle = _open(path, instead)
        try:
            while not _lock(handle, path, instead):
                waiting()
                waiting = _nothing
                if time.monotonic() > until:
                    raise ExportError(
                        f"another process has held {path} for {patience:.0f} s; wait until it is "
                        "done, or end it"
                    )
                time.sleep(PAUSE)
            if _lies_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _nothing() -> None:
    """Do nothing."""


def _open(path: Path, instead: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _refuse(path)
            handle = os.open(path, flags, 0o600)
        except (FileNotFoundError, FileExistsError):
            if (obstacle := _obstacle(path.parent)) is not None:
                raise ExportError(
                    f"cannot write to {path.parent}: {obstacle} is no folder; delete it, or choose "
                    f"{instead}"
                ) from None
            continue  # another process has just deleted the empty folder
        except OSError as error:
            raise ExportError(
                f"cannot write to {path.parent}: {error.strerror}; choose {instead}"
            ) from error
        try:
            _refuse(path, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle


def _obstacle(folder: Path) -> Path | None:
    """Return the file or dangling link that keeps `folder` from being made, or None."""
    for path in (folder, *folder.parents):
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        real = path.is_dir() if stat.S_ISLNK(found.st_mode) else stat.S_ISDIR(found.st_mode)
        return None if real else path
    return None


def _refuse(path: Path, found: os.stat_result | None = None) -> None:
    """Raise ExportError if `found`, or what lies at `path`, is not a lock file of this user."""
    try:
        found = found or os.lstat(path)
    except FileNotFoundError:
        return
    what = next((kind for test, kind in KINDS.items() if test(found.st_mode)), "")
    if not what and not stat.S_ISREG(found.st_mode):
        what = "a device"
    if not what and (found.st_size or found.st_nlink > 1):
        what = "a file with something in it" if found.st_size else "a file with other names"
    if what:
        raise ExportError(f"{path} is {what} where a lock file belongs; delete it, or move it away")
    ours = os.geteuid()
    if found.st_uid != ours and found.st_uid != _owner_of_new_files(path.parent):
        raise ExportError(
            f"the lock {path} belongs to another user; let that one finish, or have it deleted"
        )


def _owner_of_new_files(folder: Path) -> int:
    """Return the owner of files made in `folder`; some network mounts give all to one user."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_uid
    except OSError:  # it is not writable, or gone
        return os.geteuid()


def _lock(handle: int, path: Path, instead: str) -> bool:
    """Try to lock an open file; return whether that was possible just now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise ExportError(
            f"the file system of {path.parent} cannot lock files: {error.strerror}; choose "
            f"{instead}, on a disk that can"
        ) from error
    return True


def _lies_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False
