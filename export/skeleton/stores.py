"""How a weight is kept in a file: an element type, and what becomes of its float32 values.

A store works on parts of a weight, cut along its first axis, so that no more than a part of it is
ever held twice.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

LARGEST_HALF = 65504.0  # the largest number of float16
# The most of them on either side of zero, by element type; float32 holds every half of 2**31.
STEPS = {"i1": 127, "<i4": 2**30}
CHUNK = 1 << 24  # bytes of float32 that are worked on at a time


@dataclass(frozen=True)
class Store:
    """Keeps values as they are, in little-endian numbers of `dtype`."""

    dtype: str = "<f4"

    @property
    def itemsize(self) -> int:
        """Bytes that a number takes."""
        return np.dtype(self.dtype).itemsize

    def make(self, values: np.ndarray, start: int) -> np.ndarray:
        """Return what is kept of `values`, which begin at number `start` of the first axis."""
        return values

    def back(self, kept: np.ndarray, start: int) -> np.ndarray:
        """Return the float32 values that what is kept stands for."""
        return kept.astype(np.float32, copy=False)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Return what is left of float32 `values`; themselves where nothing is lost."""
        return self.back(self.make(values, 0), 0)

    def chunks(self, values: np.ndarray) -> Iterator[memoryview]:
        """Yield the bytes that are kept of a whole weight, in C order, a part at a time."""
        for start, part in _parts(values):
            yield from _bytes(self.make(part, start), self.dtype)

    def digest(self, values: np.ndarray) -> str:
        """Return the sha256 of what is left of values, as little-endian float32 in C order."""
        sha = hashlib.sha256()
        for start, part in _parts(values):
            for chunk in _bytes(self.back(self.make(part, start), start), "<f4"):
                sha.update(chunk)
        return sha.hexdigest()


@dataclass(frozen=True)
class Half(Store):
    """Rounds to float16; what is beyond its range becomes the largest number in it."""

    dtype: str = "<f2"

    def make(self, values: np.ndarray, start: int) -> np.ndarray:
        return np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


@dataclass(frozen=True)
class Quantised(Store):
    """Rounds to whole numbers of steps of `scale`, which has as many axes as the values."""

    dtype: str = "i1"
    scale: np.ndarray = field(default=None, repr=False, compare=False)

    def make(self, values: np.ndarray, start: int) -> np.ndarray:
        most = STEPS[self.dtype]
        steps = np.rint(values / self._scale(len(values), start))
        return np.clip(steps, -most, most).astype(self.dtype)

    def back(self, kept: np.ndarray, start: int) -> np.ndarray:
        return kept.astype(np.float32, copy=False) * self._scale(len(kept), start)

    def _scale(self, length: int, start: int) -> np.ndarray:
        return self.scale if len(self.scale) == 1 else self.scale[start : start + length]


FLOAT32, FLOAT16 = Store(), Half()


def scales_of(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the steps by which 8 bits hold `values`, one for each channel along `axes`.

    float32 of as many axes as the values, of length 1 but for `axes`.
    """
    kept = {axis % values.ndim for axis in axes}
    others = tuple(axis for axis in range(values.ndim) if axis not in kept)
    ends = (values.max(axis=others, keepdims=True), -values.min(axis=others, keepdims=True))
    most = np.maximum(*ends).astype(np.float32)
    return np.where(most > 0, most, np.float32(1)) / np.float32(STEPS["i1"])


def _parts(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    values = values if values.ndim else values.reshape(1)
    rows = max(1, CHUNK // max(1, 4 * values[:1].size))
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]


def _bytes(values: np.ndarray, dtype: str) -> Iterator[memoryview]:
    flat = np.ascontiguousarray(values, dtype).reshape(-1)
    for at in range(0, flat.size, CHUNK // 4):
        yield memoryview(flat[at : at + CHUNK // 4]).cast("B")
