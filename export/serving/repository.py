"""Versions of models as TF Serving finds them: folders whose names are numbers.

A version is filled in a staging folder beside the models and renamed into place, so a server that
polls sees all of it or nothing.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from export.errors import ExportError
from export.files import sync_folder, sync_tree
from export.report.file import file_sha256

STAGING = ".staging"
LAST = (1 << 63) - 1  # TF Serving reads a version into a signed 64-bit integer
FICLONE = 0x40049409  # linux/fs.h: make a file share another one's blocks


def versions(folder: Path) -> dict[int, Path]:
    """Return the version folders below `folder`, ascending, as TF Serving reads their names."""
    if not folder.is_dir():
        return {}
    found = {int(p.name): p for p in folder.iterdir() if p.is_dir() and is_version(p.name)}
    return dict(sorted(found.items()))


def is_version(name: str) -> bool:
    """Return whether `name` is that of a version: a decimal number of 64 bits."""
    return name.isascii() and name.isdigit() and len(name) < 100 and int(name) <= LAST


def next_version(folder: Path) -> int:
    """Return one more than the highest number taken, because the newest must be the highest.

    A file or a link takes a number too, whatever it leads to. Raises ExportError if there is
    none left.
    """
    names = os.listdir(folder) if folder.is_dir() else ()  # noqa: PTH208
    number = max((int(name) for name in names if is_version(name)), default=0) + 1
    if number > LAST:
        raise ExportError(f"{folder / str(LAST)} is the last number that a version can have")
    return number


def refuse_links(root: Path, path: str) -> None:
    """Raise ExportError if a folder of `path`, below `root`, is a link or no folder."""
    folder = root
    for part in PurePosixPath(path).parts:
        folder = folder / part
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ExportError(
                f"{folder} is {'a link' if folder.is_symlink() else 'no folder'}, and a serving "
                "folder has only folders of its own; move it away, or name another --to"
            )


def make_folder(root: Path, path: str) -> Path:
    """Make the folder `path` below `root`, through no link, and return it."""
    refuse_links(root, path)
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def room(root: Path, wanted: int = 0) -> Iterator[None]:
    """Raise ExportError if the disk of `root` fills up; `wanted` bytes may be needed."""
    try:
        yield
    except OSError as cause:
        if cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(root).free
        takes = (
            f", and the version takes {wanted / 1e6:.0f} MB unless it is linked" if wanted else ""
        )
        raise ExportError(
            f"the disk of {root} is full: {free / 1e6:.0f} MB are free{takes}; free some, and run "
            "this again"
        ) from cause


@contextmanager
def stage(root: Path) -> Iterator[Path]:
    """Give an empty folder on the file system of `root`, and remove what is left of it."""
    parent = make_folder(root, STAGING)
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)  # a server runs as another user
    try:
        yield folder
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def publish(staged: Path, root: Path, path: str) -> None:
    """Rename a staged version to `path` below `root`, on disk when this returns.

    Raises ExportError if something is there: a version is never overwritten.
    """
    target = make_folder(root, str(PurePosixPath(path).parent)) / PurePosixPath(path).name
    if os.path.lexists(target):
        raise ExportError(f"{target} exists; a version is never overwritten")
    sync_tree(staged)
    staged.rename(target)
    for folder in (target.parent, target.parent.parent, root):
        sync_folder(folder)


def unpublish(root: Path, path: str, files: Mapping[str, str]) -> None:
    """Remove the version at `path` below `root`, and its parents if they are then empty.

    It is removed only if it holds nothing but `files` (path -> sha256); else it is not ours.
    """
    target = root / path
    refuse_links(root, str(PurePosixPath(path).parent))
    if target.is_dir() and not target.is_symlink() and _holds_only(target, files):
        aside = Path(tempfile.mkdtemp(dir=make_folder(root, STAGING)))
        target.rename(aside)  # in one step, so nobody sees half of it
        shutil.rmtree(root / STAGING)
    for folder in (target.parent, target.parent.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def sweep(root: Path, names: Iterable[str]) -> None:
    """Remove what a killed run left: its stage, and half of a new file beside each of `names`."""
    if not (root / STAGING).is_symlink():
        shutil.rmtree(root / STAGING, ignore_errors=True)
    for name in names:
        refuse_links(root, str(PurePosixPath(name).parent))
        path = root / name
        fresh = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}\.partial")  # of write_whole
        for other in path.parent.iterdir() if path.parent.is_dir() else ():
            if fresh.fullmatch(other.name) and not other.is_dir():
                other.unlink()


def place(source: Path, target: Path) -> str:
    """Put the file `source` at `target` and return how: "reflink", "hard link" or "copy".

    A reflink shares blocks but not later changes, so it comes first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if _reflink(source, target):
        return "reflink"
    try:
        target.hardlink_to(source)
        return "hard link"
    except OSError as error:  # another file system, or one without links
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
    shutil.copyfile(source, target)
    return "copy"


def _holds_only(folder: Path, files: Mapping[str, str]) -> bool:
    """Return whether every file in `folder` is one of `files`, unchanged."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            return False
        if path.is_file() and file_sha256(path) != files.get(name):
            return False
    return True


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
