"""Versions of models as TF Serving finds them: folders whose names are numbers.

A version is filled in a staging folder beside the models and renamed into place, so a server that
polls sees all of it or nothing.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import ExportError

STAGING = ".staging"
FICLONE = 0x40049409  # linux/fs.h: make a file share another one's blocks


def versions(folder: Path) -> dict[int, Path]:
    """Return the version folders below `folder`, ascending, as TF Serving reads their names."""
    if not folder.is_dir():
        return {}
    found = {int(p.name): p for p in folder.iterdir() if p.is_dir() and is_version(p.name)}
    return dict(sorted(found.items()))


def is_version(name: str) -> bool:
    """Tell the name of a version, a decimal number, from anything else."""
    return name.isascii() and name.isdigit()


def next_version(folder: Path) -> int:
    """Return the number after the highest one taken; a gap is not filled, for newest is highest."""
    return max(versions(folder), default=0) + 1


@contextmanager
def stage(root: Path) -> Iterator[Path]:
    """Give an empty folder on the file system of `root`, and remove what is left of it."""
    parent = root / STAGING
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)  # a server runs as another user
    try:
        yield folder
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def publish(staged: Path, target: Path) -> None:
    """Rename a staged version to `target`.

    Raises ExportError where `target` exists: a version is never overwritten.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ExportError(f"{target} exists; a version is never overwritten")
    staged.rename(target)


def place(source: Path, target: Path) -> str:
    """Put the file `source` at `target` and return how: "reflink", "hard link" or "copy".

    A reflink shares blocks but not later changes, so it comes first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if _reflink(source, target):
        return "reflink"
    try:
        target.hardlink_to(source.resolve())
        return "hard link"
    except OSError as error:  # another file system, or one without links
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
    shutil.copyfile(source, target)
    return "copy"


def write_file(path: Path, text: str) -> None:
    """Replace the text file at `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _reflink(source: Path, target: Path) -> bool:
    try:
        from fcntl import ioctl
    except ImportError:  # not a POSIX system
        return False
    with source.open("rb") as old, target.open("wb") as new:
        try:
            ioctl(new.fileno(), FICLONE, old.fileno())
            return True
        except OSError:
            pass
    target.unlink()
    return False
