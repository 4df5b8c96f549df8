"""Labelled pictures of folders as lessons: decoded once, into a file that the training maps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.compression.training import Lessons, Pictures
from export.evaluation.examples import Examples

HELD_OUT = 5  # of the pictures of a class every fifth, unless a folder of others is named


@dataclass(frozen=True)
class Files:
    """Pictures that are decoded when they are written down: images of bytes, all of one shape."""

    paths: Sequence[Path]
    read: Callable[[Path], np.ndarray]  # -> uint8 (height, width, channels)
    side: int

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.paths), self.side, self.side, 3)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape)

    def write_to(self, path: Path) -> None:
        """Write all of them to a .npy file, one after the other."""
        mapped = np.lib.format.open_memmap(path, "w+", self.dtype, self.shape)
        for index, one in enumerate(self.paths):
            mapped[index] = self.read(one)
        mapped.flush()


@dataclass(frozen=True)
class Reading:
    """How pictures are read: with a margin to cut from, and as the network takes them."""

    wide: Callable[[Path], np.ndarray]
    wide_side: int
    exact: Callable[[Path], np.ndarray]
    exact_side: int


def lessons_of(
    examples: Examples, held_out: Examples | None, reading: Reading, **normalised
) -> Lessons:
    """Lessons of labelled pictures; without others to hold out, every fifth of a class is.

    `normalised` are `mean` and `std` of Lessons. Raises ValueError where none would be left to
    train on.
    """
    if held_out is None:
        taken = held_out_of([one.label for one in examples.items], examples.folder)
    else:
        taken = np.zeros(len(examples.items), bool)
    trained = _pictures(examples, ~taken, reading.wide, reading.wide_side)
    whole = np.ones(len(held_out.items), bool) if held_out else taken
    measured = _pictures(held_out or examples, whole, reading.exact, reading.exact_side)
    return Lessons(train=trained, held_out=measured, **normalised)


def _pictures(examples: Examples, taken: np.ndarray, read, side: int) -> Pictures:
    paths, labels = examples.paths(), np.array([one.label for one in examples.items])
    chosen = [path for path, wanted in zip(paths, taken, strict=True) if wanted]
    return Pictures(Files(chosen, read, side), labels[taken])


def held_out_of(labels: list[int], source: Path) -> np.ndarray:
    """Which pictures of `source` are held out: the first of each class, and every fifth after it.

    Raises ValueError where none would be left.
    """
    seen: dict[int, int] = {}
    taken = np.zeros(len(labels), bool)
    for index, label in enumerate(labels):
        taken[index] = seen.get(label, 0) % HELD_OUT == 0
        seen[label] = seen.get(label, 0) + 1
    if taken.all():
        raise ValueError(
            f"{source} has {len(taken)} pictures, and some have to be held out; name others for "
            "that with --held-out"
        )
    return taken
