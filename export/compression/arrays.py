"""Labelled images of an .npz file as lessons.

They are copied one by one, because all of them together may not fit in memory.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from export.child import in_a_line
from export.compression.pictures import held_out_of
from export.compression.training import Lessons, Pictures
from export.given import UNREADABLE

IMAGES, LABELS = "images", "labels"
WANTED = f"an .npz with {IMAGES!r} (n, height, width, channels) and {LABELS!r} (n,)"
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some of the images in a file, read when they are written down."""

    path: Path
    chosen: np.ndarray  # bool, for each image in the file
    each: tuple[int, ...]  # shape of an image
    dtype: np.dtype
    turned: bool = False  # whether channels go from last to first

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.chosen.sum()), *self.each)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def write_to(self, path: Path) -> None:
        """Write them to a .npy file; raise ValueError where the archive is damaged."""
        mapped = np.lib.format.open_memmap(path, "w+", self.dtype, self.shape)
        for at, image in enumerate(self._images()):
            mapped[at] = image[..., ::-1] if self.turned else image
        mapped.flush()

    def _images(self):
        size = math.prod(self.each) * self.dtype.itemsize
        try:
            with ZipFile(self.path) as packed, packed.open(f"{IMAGES}.npy") as file:
                _header(file)
                for wanted in self.chosen:
                    values = np.frombuffer(file.read(size), self.dtype).reshape(self.each)
                    if wanted:
                        yield values
        except UNREADABLE as error:
            raise _unread(self.path, error) from None


def lessons_of_arrays(
    train: Path, held_out: Path | None, *, turned: bool = False, **normalised
) -> Lessons:
    """Lessons of .npz files; without another to hold out, every fifth image of a class is.

    Images of bytes are pictures in RGB, `turned` for a network that takes BGR; those of floats are
    what the network takes. `normalised` are `mean` and `std` of Lessons. Raises ValueError for
    files that hold no such arrays.
    """
    rows, labels = _open(train, turned)
    if held_out is not None:
        others, own = _open(held_out, turned)
        return Lessons(train=Pictures(rows, labels), held_out=Pictures(others, own), **normalised)
    taken = held_out_of(labels.tolist(), train)
    trained, measured = (
        Pictures(replace(rows, chosen=chosen), labels[chosen]) for chosen in (~taken, taken)
    )
    return Lessons(train=trained, held_out=measured, **normalised)


def are_bytes(path: Path) -> bool:
    """Tell whether the images of a file are pictures that have yet to be normalised."""
    return _open(path)[0].dtype == np.uint8


def _open(path: Path, turned: bool = False) -> tuple[Rows, np.ndarray]:
    """All images of a file, and their labels."""
    try:
        with np.load(path, allow_pickle=False) as held:
            labels = np.asarray(held[LABELS])
        with ZipFile(path) as packed, packed.open(f"{IMAGES}.npy") as file:
            shape, by_columns, dtype = _header(file)
    except (*UNREADABLE, KeyError) as error:
        raise _unread(path, error) from None
    if by_columns or labels.shape != shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path} has {IMAGES} {shape} and {LABELS} {labels.shape} of {labels.dtype}: {WANTED}, "
            "whole numbers, is wanted, as numpy.savez writes it of arrays in C order"
        )
    rows = Rows(
        path=path,
        chosen=np.ones(len(labels), bool),
        each=shape[1:],
        dtype=dtype,
        turned=turned and dtype == np.uint8,
    )
    return rows, labels.astype(np.int64)


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, whether the first axis is the fastest, and type of an array in a .npy file."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"its arrays are of version {version}")
    return HEADERS[version](file)


def _unread(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read ({in_a_line(error)}): {WANTED} is wanted")
