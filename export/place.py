"""Put a folder in its place whole: a reader sees the old one or the new one, never half.

Work goes on in `<out>/.staging/<model>-<format>`, on the same disk as its goal, under a lock. The
two folders are exchanged in one step, which Linux and the usual file systems can. Whatever a killed
run left in staging is cleared by the next run of the same model and format. Lock files cannot be
deleted safely, so they live among the temporary files, not in the user's folder; the lock holds
between processes of one machine.
"""

import ctypes
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import ExportError

GLOB = "*?["
SPARE = 1.1  # of the bytes wanted, that must be free on the disk
AT_FDCWD, RENAME_EXCHANGE = -100, 2


class Place:
    """Where one artifact is made (`stage`) and where it ends up (`goal`)."""

    def __init__(self, out: Path, model: str, format_name: str):
        self.goal = out / model / format_name
        self.staging = out / ".staging"
        self._home = self.staging / f"{model}-{format_name}"
        self.stage = self._home / "artifact"
        self.scratch = self._home / "scratch"

    def publish(self, goal: Path | None = None) -> Path:
        """Move the stage to the goal, or to another one given, and remove what was there."""
        goal = goal or self.goal
        goal.parent.mkdir(parents=True, exist_ok=True)
        if not goal.exists():
            self.stage.rename(goal)
        else:
            exchange(self.stage, goal)
        return goal

    def clear(self) -> None:
        """Remove whatever is in staging for this artifact."""
        shutil.rmtree(self._home, ignore_errors=True)


@contextmanager
def staged(out: Path, model: str, format_name: str, waiting=lambda: None) -> Iterator[Place]:
    """Give a cleared stage to work in, alone; clear it again at the end.

    `waiting` is called where another process is at work on the same artifact.
    """
    import filelock

    place = Place(Path(out), model, format_name)
    if set(GLOB) & set(str(place.goal)):
        raise ExportError(
            f"{place.goal} holds one of {GLOB}, which TensorFlow's loader takes for a pattern and "
            "then finds nothing; choose another --out"
        )
    try:
        place.staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"cannot write to {out}: {error.strerror}; choose another --out"
        ) from error
    lock = filelock.FileLock(_lock_file(place.goal))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        waiting()
        lock.acquire()
    try:
        place.clear()
        place.stage.mkdir(parents=True)
        place.scratch.mkdir()
        yield place
    finally:
        place.clear()
        _remove_if_empty(place.staging)
        lock.release()


def check_space(out: Path, wanted: int) -> None:
    """Raise ExportError where the disk of `out` has no room for a little more than `wanted`."""
    free = shutil.disk_usage(out).free
    if free < SPARE * wanted:
        raise ExportError(
            f"the artifacts take {SPARE * wanted / 1e6:.0f} MB and {out} has {free / 1e6:.0f} MB "
            "free; free some or choose another --out"
        )


def _lock_file(goal: Path) -> Path:
    folder = Path(tempfile.gettempdir(), f"keras-nets-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(os.fsencode(goal.resolve())).hexdigest()[:32]}.lock"


def exchange(fresh: Path, old: Path) -> None:
    """Exchange two paths in one step, or, where the system cannot, in two."""
    # C libraries before glibc 2.28 have no such function.
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename:
        done = rename(AT_FDCWD, os.fsencode(fresh), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE)
        if done == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise OSError(code, os.strerror(code), str(old))
    aside = fresh.with_name("replaced")
    old.rename(aside)
    fresh.rename(old)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
