"""A tensor that still lies in a file, and the open file that holds it.

A reader lists its tensors from headers alone; values are read in blocks when asked for, so memory
depends on the block and on the tensor wanted, never on what a file claims.
"""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from keras_nets.errors import WeightsError

BLOCK = 2 << 20  # bytes read at a time; several times as much is held while they are placed
ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
MAX_RANK = 8
FACTS = ("net", "flavour", "classes")
# What parsers of damaged bytes raise. Programming errors such as NameError are not among them.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,  # with TokenError: numpy parses the headers of .npy as literals
    SystemError,  # numpy's, of text that Unicode lacks
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class Stream(Protocol):
    """The bytes of one tensor, in C order and from its start."""

    def read(self, count: int) -> bytes: ...


class Window:
    """A stretch of an open file as a stream; several may share the file."""

    def __init__(self, file: BinaryIO, offset: int, length: int):
        self._file, self._position, self._end = file, offset, offset + length

    def read(self, count: int) -> bytes:
        self._file.seek(self._position)
        data = self._file.read(min(count, self._end - self._position))
        self._position += len(data)
        return data


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of an open file.

    `strides`, in elements, is None for values in C order; else the stream gives the values in
    another order, and all of them: a permutation of axes. `problem` is why there are no values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str  # of numpy, or "bfloat16"
    open: Callable[[], Stream]
    big_endian: bool = False
    strides: tuple[int, ...] | None = None
    path: Path | None = None  # of the file, for errors
    problem: str = ""

    def read(self) -> np.ndarray:
        """Return all values as a float32 array of the tensor's shape."""
        values = np.empty(self.shape or (1,), np.float32)
        for rows, block in self.blocks():
            values[rows] = block
        return values.reshape(self.shape)

    def blocks(self, shape: tuple[int, ...] | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, float32 values) along the first axis, the tensor seen as `shape`.

        A block has about `BLOCK` bytes, or one row where a row is larger. Raises WeightsError
        where the values are not floats, end early or are not finite.
        """
        with refusing(self.path):
            yield from self._blocks(self.shape if shape is None else shape)

    def _blocks(self, shape: tuple[int, ...]) -> Iterator[tuple[slice, np.ndarray]]:
        if self.problem:
            raise WeightsError(self.problem)
        if self.dtype not in ITEM_BYTES:
            raise WeightsError(f"tensor {self.name!r} is {self.dtype}; weights are floats")
        shape = shape or (1,)
        row = math.prod(shape[1:])
        step = max(1, BLOCK // (4 * row)) if row else shape[0]
        parts = self._in_order() if self.strides is None else self._strided()
        next(parts)
        for start in range(0, shape[0], step):
            rows = slice(start, min(start + step, shape[0]))
            values = parts.send((rows.stop - start) * row)
            if not np.isfinite(values).all():
                raise WeightsError(f"tensor {self.name!r} holds values that are not finite")
            yield rows, values.reshape(-1, *shape[1:])

    def _in_order(self):
        """Yield a coroutine: takes a count of elements, gives the next ones as flat float32."""
        stream, values = self.open(), None
        while True:
            values = self._decode(stream, (yield values))

    def _strided(self):
        """As `_in_order`, from a storage that is read whole."""
        storage = self._decode(self.open(), math.prod(self.shape))
        steps = tuple(4 * stride for stride in self.strides)
        ordered = np.lib.stride_tricks.as_strided(storage, self.shape, steps, writeable=False)
        flat, start, values = ordered.reshape(-1), 0, None
        while True:
            count = yield values
            values, start = flat[start : start + count], start + count

    def _decode(self, stream: Stream, count: int) -> np.ndarray:
        """Read `count` elements as flat float32."""
        wanted = count * ITEM_BYTES[self.dtype]
        data = stream.read(wanted)
        while len(data) < wanted:
            more = stream.read(wanted - len(data))
            if not more:
                raise WeightsError(f"tensor {self.name!r} ends early; the file is cut off")
            data += more
        if self.dtype == "bfloat16":
            # The upper half of a float32.
            upper = np.frombuffer(data, ">u2" if self.big_endian else "<u2")
            return (upper.astype(np.uint32) << 16).view(np.float32)
        kind = np.dtype(self.dtype).newbyteorder(">" if self.big_endian else "<")
        with np.errstate(over="ignore"):  # what float32 cannot hold is found by the caller
            return np.frombuffer(data, kind).astype(np.float32, copy=False)


@dataclass(frozen=True)
class WeightsFile:
    """An open file: its tensors in the file's order, and its metadata.

    `metadata` holds `net`, `flavour` and `classes` where this toolkit wrote the file, and may hold
    `layers`, the names and classes of all layers, where Keras did.
    """

    path: Path
    kind: str
    tensors: dict[str, Tensor]
    metadata: dict = field(default_factory=dict)


def facts_of(metadata: dict) -> dict[str, str]:
    """Return those entries of a file's metadata that this toolkit writes, if they are texts."""
    return {name: metadata[name] for name in FACTS if isinstance(metadata.get(name), str)}


def check_shape(name: str, shape) -> tuple[int, ...]:
    """Return `shape` as a tuple; raise ValueError unless it is a few numbers from 0 up."""
    shape = tuple(shape)
    if len(shape) > MAX_RANK or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape):
        raise ValueError(f"tensor {name!r:.200} has an impossible shape")
    return shape


@contextmanager
def refusing(path: Path):
    """Turn whatever damaged bytes raise into one line that names the file."""
    try:
        yield
    except WeightsError as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise WeightsError(" ".join(text.split())) from error
    except DAMAGE as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(f"{path} is damaged or no weights file ({why})") from error
