"""Put a folder in its place whole: a reader sees the old one or the new one, never half.

Work goes on in `<out>/.staging/<model>-<format>`, on the same disk as its goal, under a lock beside
it; `.staging` is gone when nobody is at work. The two folders are exchanged in one step, which
Linux and the usual file systems can. NFS, CIFS and many of FUSE cannot: there the old folder is
moved aside first, a reader sees nothing for an instant, and what a kill leaves aside is put back by
the next run of the same model and format before it clears what else was left. The lock holds
between processes of one machine. Only an artifact of this toolkit is ever replaced; a link to one
is followed and kept.
"""

import ctypes
import errno
import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import ArtifactError, ExportError, Shortage
from export.files import sync_folder, sync_tree
from export.locks import locked
from export.report.file import NAME, failures, holds_report, read_report, unlisted
from export.results import Check
from export.shortage import free, shortage
from export.wording import size

GLOB = "*?["
SPARE = 1.1  # of the bytes wanted, that must be free on the disk
BESIDE = 256 << 10  # bytes that graph, report, page and scratch files of a toy take beside weights
FAILED = ".failed"  # ends the name of a folder beside a verified artifact, for one that is not
AT_FDCWD, RENAME_EXCHANGE = -100, 2
# What renameat2 answers where a file system, or the kernel, cannot exchange two folders.
UNABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM)

IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR)


class Place:
    """The folder in which one artifact is made (`stage`) and its final one (`goal`)."""

    def __init__(self, out: Path, model: str, format_name: str):
        self.goal = out / model / format_name
        self.staging = _staging(out, self.goal)
        self.home = self.staging / f"{model}-{format_name}"
        self.lock = self.staging / f"{model}-{format_name}.lock"
        self.stage = self.home / "artifact"
        self.scratch = self.home / "scratch"
        self.wanted = 0  # bytes that the artifact will have at least, once that is known
        self._aside = self.home / "replaced"

    def destination(self, checks: Iterable[Check], *, rounds: bool) -> Path:
        """Where to publish an artifact with these verdicts: the goal, or `<goal>.failed`.

        A failed one that is not rounded goes to the goal all the same, unless a verified one is
        there: what is wrong with it is for its reader to see. One that `rounds` may be right, and
        not good enough.
        """
        try:
            keeps = failures(checks) and (rounds or read_report(self.goal).passed)
        except ArtifactError:
            keeps = False
        return self.goal.with_name(self.goal.name + FAILED) if keeps else self.goal

    def publish(self, goal: Path | None = None) -> Path:
        """Move the stage to the goal, or to another one given, and remove what was there.

        All of it is on disk when this returns. Raises ExportError if a file or a link to nothing
        lies there.
        """
        goal = goal or self.goal
        _refuse_what_is_no_folder(goal)
        target = Path(os.path.realpath(goal))
        sync_tree(self.stage)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            self._aside.mkdir(exist_ok=True)
            exchange(self.stage, target, self._aside / target.name)
        else:
            self.stage.rename(target)
        sync_folder(target.parent)
        return goal

    def needs(self) -> tuple[tuple[Path, ...], int]:
        """Return the folders that an export writes to, and how many bytes are still to come."""
        made = sum(p.lstat().st_size for p in self.stage.rglob("*")) if self.wanted else 0
        return (self.staging.parent, Path(tempfile.gettempdir())), max(self.wanted - made, 0)

    def clear(self) -> None:
        """Empty the staging of this artifact, after putting back a folder that was moved aside.

        Raises ExportError if something else lies in that folder's place now.
        """
        self._restore()
        shutil.rmtree(self.home, ignore_errors=True)

    def _restore(self) -> None:
        """Put back a folder that was moved aside for a new one that never took its place."""
        if not self.stage.exists():  # it came: what is aside was replaced
            return
        for kept in self._aside.glob("*"):
            target = Path(os.path.realpath(self.goal)).with_name(kept.name)
            if target.is_dir() and _is_part_of(target, kept):
                shutil.rmtree(target)  # it was being moved aside, file by file
            elif os.path.lexists(target):
                raise ExportError(
                    f"{target} is what an export left that was killed, and the artifact from "
                    f"before is whole in {kept}; move {target} away, and the next export puts that "
                    "back"
                )
            kept.rename(target)
            sync_folder(target.parent)


@contextmanager
def staged(out: Path, model: str, format_name: str, waiting=lambda: None) -> Iterator[Place]:
    """Give an empty stage that no other process uses; clear it again at the end.

    `waiting` is called if another process is at work on the same artifact. Raises Shortage if the
    work fails because memory or disk is full, however a library reports that.
    """
    place = Place(Path(out), model, format_name)
    if set(GLOB) & set(str(place.goal)):
        raise ExportError(
            f"{place.goal} holds one of {GLOB}, which TensorFlow's loader takes for a pattern and "
            "then finds nothing; choose another --out"
        )
    for folder in (place.staging, place.home):
        if folder.is_symlink():
            raise ExportError(f"{folder} is a link, and exports work in a folder; delete it")
    try:
        with locked(place.lock, waiting, instead="another --out"):
            try:
                place.clear()
                _make_stage(place)
                yield place
            except Exception as error:
                short = shortage(error, *place.needs())
                if short is None:
                    raise
                raise short from error
            finally:
                place.clear()
    finally:
        _remove_if_empty(place.staging)


def _make_stage(place: Place) -> None:
    try:
        place.stage.mkdir(parents=True)
        place.scratch.mkdir()
    except OSError as error:
        raise ExportError(
            f"{place.home} cannot be made anew: {error.strerror}; delete it, or choose another "
            "--out"
        ) from error


def check_goals(out: Path, model: str, format_names) -> None:
    """Raise ExportError if the place of an artifact holds something that no export put there.

    Allowed are an empty folder, and a folder with a report.json of this toolkit, of any version,
    and only files that the report lists. Links are followed. The place for an artifact that fails
    its checks is checked, too.
    """
    for name in format_names:
        goal = Path(out, model, name)
        check_replaceable(goal)
        check_replaceable(goal.with_name(name + FAILED))


def check_replaceable(goal: Path) -> None:
    """Raise ExportError unless `goal` is free, empty, or an artifact; see `check_goals`."""
    _refuse_what_is_no_folder(goal.parent)
    _refuse_what_is_no_folder(goal)
    if not goal.exists():
        return
    if goal.is_mount():
        raise ExportError(
            f"{goal} is a disk of its own, which cannot be replaced; mount it at a folder above, "
            "or choose another --out"
        )
    if not any(goal.iterdir()):
        return
    if not holds_report(goal):
        raise ExportError(
            f"{goal} holds {_named(goal)}, and no {NAME} of this toolkit, so no export made it; "
            "move it away, or choose another --out"
        )
    if foreign := unlisted(goal):
        raise ExportError(
            f"{goal} holds {_few(foreign)}, which no export put there and a new one would delete; "
            "move it away, or choose another --out"
        )


def _refuse_what_is_no_folder(path: Path) -> None:
    if path.is_dir() or not os.path.lexists(path):
        return
    what = "a link to nothing" if path.is_symlink() and not path.exists() else "no folder"
    raise ExportError(
        f"{path} is {what}, and a folder belongs there; move it away, or choose another --out"
    )


def _named(folder: Path) -> str:
    """Return the first few of a folder's files, by name."""
    return _few(sorted(path.name for path in folder.iterdir()))


def _few(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def check_space(out: Path, weights: int, count: int = 1) -> None:
    """Raise Shortage if the disk of `out` has no room for `count` artifacts.

    Each takes a little more than the bytes of its `weights`.
    """
    room, needed = free(out), SPARE * count * (weights + BESIDE)
    if room < needed:
        raise Shortage(
            f"the artifacts take {size(needed)} and {out} has {size(room)} free, "
            f"{size(needed - room)} too little; free some or choose another --out"
        )


def exchange(fresh: Path, old: Path, aside: Path) -> None:
    """Exchange two folders in one step, or, where the system cannot, move `old` aside first.

    In the second case `old` is at `aside` afterwards, or back in its place after an error.
    """
    if _exchanged(fresh, old):
        return
    _move(old, aside)
    try:
        fresh.rename(old)
    except BaseException:
        if not os.path.lexists(old):
            aside.rename(old)
        raise


def _exchanged(fresh: Path, old: Path) -> bool:
    # C libraries before glibc 2.28 have no such function.
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    done = rename(AT_FDCWD, os.fsencode(fresh), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE)
    code = ctypes.get_errno()
    if done and code not in UNABLE:
        raise OSError(code, os.strerror(code), str(old))
    return done == 0


def _move(source: Path, target: Path) -> None:
    """Rename a folder, or copy it if its file system cannot, as container overlays cannot."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = target.parent.with_name("moving")  # not among what is put back
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial, symlinks=True)
        sync_tree(partial)
        partial.rename(target)
        shutil.rmtree(source)


def _is_part_of(folder: Path, whole: Path) -> bool:
    """Tell whether `whole` has all that is in `folder`."""
    return all(
        (whole / path.relative_to(folder)).is_dir()
        if path.is_dir()
        else path.is_file() and _are_equal(path, whole / path.relative_to(folder))
        for path in folder.rglob("*")
    )


def _are_equal(file: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(file, other, shallow=False)


def _staging(out: Path, goal: Path) -> Path:
    """Return the folder to work in: in `out`, or beside the goal if a link leads elsewhere."""
    above = Path(os.path.realpath(goal)).parent
    own = Path(os.path.realpath(out))
    if above.parent == own and _device(above) == _device(own):
        return out / ".staging"
    return above / ".staging"


def _device(path: Path) -> int:
    """Return the disk that `path` lies on, or will lie on."""
    return next(p for p in (path, *path.parents) if p.exists()).stat().st_dev


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (*IN_USE, errno.EROFS, errno.EACCES):
            raise
