"""The best classes of each picture, kept in a small file while an evaluation runs."""

import contextlib
import hashlib
import io
import json
import os
import re
import time
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.files import write_whole

TOP = 5
# What stands in the place of a class.
UNDONE = -1  # not looked at yet
BROKEN = -2  # the picture could not be read
NOTHING = -3  # the logits hold a NaN: no class is best


def best_classes(logits: np.ndarray) -> np.ndarray:
    """Logits (n, classes) -> the classes of the largest, best first, (n, TOP or fewer) int32.

    Of equal logits the lower class comes first. A row with a NaN gives NOTHING.
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :TOP].astype(np.int32)
    best[np.isnan(logits).any(axis=1)] = NOTHING
    return best


class Ranks:
    """Best classes (pictures, TOP or fewer) int32, and why pictures are broken, by index."""

    def __init__(self, count: int, classes: int):
        self.best = np.full((count, min(TOP, classes)), UNDONE, np.int32)
        self.broken: dict[int, str] = {}

    def undone(self) -> np.ndarray:
        """Indexes of the pictures that are still to be looked at."""
        return np.flatnonzero(self.best[:, 0] == UNDONE)

    def answer(self, indexes, best: np.ndarray) -> None:
        self.best[indexes] = best

    def give_up(self, index: int, reason: str) -> None:
        self.best[index] = BROKEN
        self.broken[index] = reason


class RanksFile:
    """Ranks on disk: written whole, at most every `interval` seconds."""

    def __init__(self, path: Path, interval: float = 5.0):
        self.path = path
        self._interval = interval
        self._saved = time.monotonic()
        self._swept = False

    def load(self, count: int, classes: int) -> Ranks:
        """Return what an earlier run left, or fresh ranks where it left nothing that fits."""
        ranks = Ranks(count, classes)
        # Whatever else lies there, and whatever numpy raises at it, looking again is right.
        with contextlib.suppress(Exception):
            with np.load(self.path, allow_pickle=False) as stored:
                best, broken = stored["best"], json.loads(str(stored["broken"]))
            broken = {int(index): str(reason) for index, reason in broken.items()}
            fits = best.shape == ranks.best.shape and best.dtype == np.int32
            if fits and best.min() >= NOTHING and best.max() < classes:
                ranks.best, ranks.broken = best, broken
        return ranks

    def save(self, ranks: Ranks, *, now: bool = False) -> None:
        """Write `ranks` if it is time to; ExportError where they cannot be written."""
        if not now and time.monotonic() - self._saved < self._interval:
            return
        try:
            self._write(ranks)
        except OSError as cause:
            raise ExportError(
                f"what was found cannot be kept in {str(self.path.parent)!r}: "
                f"{cause.strerror or cause}; name another folder with --state"
            ) from cause
        self._saved = time.monotonic()

    def _write(self, ranks: Ranks) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._remove_orphans()
        content = io.BytesIO()
        np.savez_compressed(content, best=ranks.best, broken=json.dumps(ranks.broken))
        try:
            write_whole(self.path, content.getvalue())
        except FileNotFoundError:  # a second run of the very same took it for an orphan
            write_whole(self.path, content.getvalue())

    def _remove_orphans(self) -> None:
        """Remove what a run that was killed while it wrote left beside the file."""
        unfinished = re.compile(rf"\.{re.escape(self.path.name)}\.\w{{8}}\.partial")
        for left in self.path.parent.iterdir():
            if unfinished.fullmatch(left.name):
                left.unlink(missing_ok=True)
        self._swept = True

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def fingerprint(paths: list[Path], *facts: str) -> str:
    """A name for one subject on these very files: a hash of `facts` and names, sizes and times."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(repr(fact).encode())
    for path in paths:
        with contextlib.suppress(OSError):  # a file that vanished is broken later on
            found = path.stat()
            digest.update(f"{found.st_size} {found.st_mtime_ns} ".encode())
        digest.update(os.fsencode(path) + b"\0")
    return digest.hexdigest()[:32]
