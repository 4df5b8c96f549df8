"""Pour weights into a finished file, each exactly once, and drain them from it again.

A converter that was run on a skeleton leaves, for every weight, one tensor without its values.
`mark` makes a mark for that tensor's content, `pour` streams the values to the marks, and `drain`
finds the values in a file on disk and puts marks in their place.
"""

import math
import mmap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from export.errors import ArtifactError, PourError
from export.skeleton.fold import Weight
from export.skeleton.stores import FLOAT32, Store
from export.skeleton.wire import Schema, Stream, WireError, rewrite, write

MARK = b"\0stand-in:"
SMALLEST_DRAINED = 1024  # bytes; shorter contents stay in the skeleton


@dataclass(frozen=True)
class Step:
    """One operation on a weight's values: `transpose` to axes, or `reshape` to a shape."""

    kind: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """The tensor of weight number `index`: its name, its shape, and the steps to that shape.

    `store` says what its values are kept as.
    """

    index: int
    tensor: str
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    _: KW_ONLY
    store: Store = FLOAT32

    def chunks(self, weight: Weight) -> Iterator[memoryview]:
        """Yield the bytes that the place holds, in C order, a part at a time."""
        return self.store.chunks(follow(self.steps, weight.read()))


def mark(index: int) -> bytes:
    """Return the mark: the content of a tensor whose values are to be those of weight `index`."""
    return MARK + str(index).encode()


def marked(content: bytes) -> int | None:
    """Return the index in a content that `mark` made, or None for any other content."""
    return int(bytes(content[len(MARK) :])) if content[: len(MARK)] == MARK else None


def follow(steps: Iterable[Step], values: np.ndarray) -> np.ndarray:
    """Apply steps to values; only a reshape after a transpose copies them."""
    for step in steps:
        if step.kind == "transpose":
            values = values.transpose(step.numbers)
        else:
            values = values.reshape(step.numbers)
    return values


def check_placements(
    weights: tuple[Weight, ...], placements: Iterable[Placement], *, copies: bool = False
) -> None:
    """Raise PourError unless every weight has one placement, of the shape its steps lead to.

    With `copies` it may have several, which hold the same values in the same order.
    """
    placements = list(placements)
    times = Counter(placement.index for placement in placements)
    missing = [weight.name for i, weight in enumerate(weights) if times[i] == 0]
    doubled = [weight.name for i, weight in enumerate(weights) if times[i] > 1]
    if missing:
        raise PourError(f"the converter lost {_names(missing)}")
    if doubled and not copies:
        raise PourError(f"the converter doubled {_names(doubled)}")
    for placement in placements:
        weight = weights[placement.index]
        empty = np.broadcast_to(np.float32(0), weight.shape)
        try:
            shape = follow(placement.steps, empty).shape
        except ValueError:
            shape = None
        if shape != placement.shape:
            raise PourError(
                f"the converter gave {weight.name} of shape {weight.shape} a place of shape "
                f"{placement.shape}, which its steps do not lead to"
            )


def pour(
    skeleton: bytes,
    schema: Schema,
    weights: tuple[Weight, ...],
    placements: Iterable[Placement],
    path: Path,
    *,
    copies: bool = False,
) -> None:
    """Write `skeleton` to `path` with the weights' values where `mark` left its marks."""
    placements = list(placements)
    check_placements(weights, placements, copies=copies)
    places = {placement.index: placement for placement in placements}
    poured = Counter()

    def values(_, content):
        index = marked(content)
        if index is None:
            return None
        if index not in places:
            raise PourError(f"a place waits for weight number {index}, and there is no such weight")
        poured[index] += 1
        return _values(weights[index], places[index])

    pieces = rewrite(memoryview(skeleton), schema, values)
    if poured != Counter(placement.index for placement in placements):
        raise PourError(f"{sum(poured.values())} places were found for {len(weights)} weights")
    with path.open("wb") as file:
        write(pieces, file)


def chunks(values: np.ndarray) -> Iterator[memoryview]:
    """Yield the bytes of `values`, little-endian float32 in C order, a part at a time."""
    return FLOAT32.chunks(values)


def digest(values: np.ndarray) -> str:
    """sha256 of the bytes of `values`, little-endian float32 in C order."""
    return FLOAT32.digest(values)


@dataclass(frozen=True)
class Drained:
    """A file on disk without its large contents; `read(k)` gives what is behind mark `k`."""

    path: Path
    skeleton: bytes
    spans: tuple[tuple[int, int], ...]  # offset and size in bytes

    def read(self, k: int, dtype: str = "<f4") -> np.ndarray:
        """Values of `dtype`, one axis; read, not mapped, so that memory is what is asked for."""
        return read_values(self.path, dtype, self.spans[k])

    def map(self, k: int, dtype: str = "<f4") -> np.ndarray:
        """The same, mapped: for who looks at them once, which is fastest where nothing is copied.

        They may not lie as a processor wants them, so they are for numpy alone.
        """
        return map_values(self.path, dtype, self.spans[k])

    def read_into(self, k: int, room: np.ndarray) -> None:
        """Fill `room`, of as many bytes, with what is behind mark `k`.

        Raises ArtifactError where the file holds more or fewer.
        """
        offset, size = self.spans[k]
        with self.path.open("rb") as file:
            file.seek(offset)
            if room.nbytes != size or file.readinto(memoryview(room).cast("B")) != size:
                raise ArtifactError(f"{self.path} holds a tensor cut short; export it again")

    def content(self, k: int) -> bytes:
        """Return the bytes behind mark `k`, for what is no weight."""
        return self.read(k, "u1").tobytes()


def read_values(path: Path, dtype: str, span: tuple[int, int]) -> np.ndarray:
    """The numbers in a span of a file, (offset, size) in bytes; one axis."""
    offset, size = span
    return np.fromfile(path, dtype, size // np.dtype(dtype).itemsize, offset=offset)


def map_values(path: Path, dtype: str, span: tuple[int, int]) -> np.ndarray:
    """The same, in memory only where they are looked at; the span is not empty."""
    offset, size = span
    count = size // np.dtype(dtype).itemsize
    return np.memmap(path, dtype, "r", offset, (count,)).view(np.ndarray)


def drain(path: Path, schema: Schema) -> Drained:
    """Find the large contents of the file at `path`; only the rest of it is kept in memory.

    Raises ArtifactError if the file is not a protobuf of that schema.
    """
    spans: list[tuple[int, int]] = []

    def note(offset, content):
        if len(content) < SMALLEST_DRAINED:
            if content[: len(MARK)] == MARK:  # it would be read as the weight behind that mark
                raise WireError(f"a stand-in at byte {offset} was never filled")
            return None
        spans.append((offset, len(content)))
        return mark(len(spans) - 1)

    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ArtifactError(f"{path} is empty; export it again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            skeleton, damage = _drained(mapped, schema, note)
    if damage:
        raise ArtifactError(f"{path} is damaged: {damage}; export it again")
    return Drained(path, skeleton, tuple(spans))


def _drained(mapped, schema: Schema, note) -> tuple[bytes, str]:
    """Return the skeleton and "", or b"" and what is wrong.

    An exception would keep views of `mapped` in its traceback, and then it could not be closed.
    """
    with memoryview(mapped) as view:
        try:
            return b"".join(bytes(piece) for piece in rewrite(view, schema, note)), ""
        except WireError as error:
            return b"", str(error)


def _values(weight: Weight, placement: Placement) -> Stream:
    size = placement.store.itemsize * math.prod(weight.shape)
    return Stream(size, lambda: placement.chunks(weight))


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
