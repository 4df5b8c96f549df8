"""How a weight is kept in a file: an element type, and what becomes of its float32 values.

A store works on parts of a weight, cut along the first axis of the place that it is poured into,
so that no more than a part of it is ever held twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LARGEST_HALF = 65504.0  # the largest number of float16
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
        """What is kept of `values`, which begin at number `start` of the weight's first axis."""
        return values

    def chunks(self, values: np.ndarray) -> Iterator[memoryview]:
        """Yield the bytes that are kept of a whole weight, in C order, a part at a time."""
        values = values if values.ndim else values.reshape(1)
        rows = max(1, CHUNK // max(1, 4 * values[:1].size))
        for start in range(0, len(values), rows):
            made = self.make(values[start : start + rows], start)
            flat = np.ascontiguousarray(made, self.dtype).reshape(-1)
            for at in range(0, flat.size, CHUNK // 4):
                yield memoryview(flat[at : at + CHUNK // 4]).cast("B")


@dataclass(frozen=True)
class Half(Store):
    """Rounds to float16; what is beyond its range becomes the largest number in it."""

    dtype: str = "<f2"

    def make(self, values: np.ndarray, start: int) -> np.ndarray:
        return np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


FLOAT32, FLOAT16 = Store(), Half()
