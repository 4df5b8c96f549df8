"""Arrays of numpy inside a pickle: all that paddle writes, and some that torch scripts do."""

import codecs
import math
from typing import BinaryIO

import numpy as np

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import Call, Span
from keras_nets.weights.tensor import Tensor, Window, check_shape


def array(file: BinaryIO, name: str, value) -> Tensor | None:
    """Return the tensor that a pickled numpy array describes, or None for any other value."""
    if isinstance(value, Call) and str(value.function).endswith(".tuple"):
        (value,) = value.arguments
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        value = value[1]
    if not (isinstance(value, Call) and str(value.function).endswith("._reconstruct")):
        return None
    _, shape, dtype, fortran, data = value.state
    shape = check_shape(name, shape)
    kind, item, big_endian = _dtype(dtype)
    strides = None
    if fortran and len(shape) > 1:
        strides = tuple(math.prod(shape[:axis]) for axis in range(len(shape)))
    _check_length(name, math.prod(shape) * item, data)
    return Tensor(
        name=name,
        shape=shape,
        dtype=kind,
        open=lambda: _stream(file, data),
        big_endian=big_endian,
        strides=strides,
    )


def _dtype(call) -> tuple[str, int, bool]:
    """(name, bytes an element, whether big-endian) of a pickled numpy.dtype."""
    if not (isinstance(call, Call) and str(call.function) == "numpy.dtype"):
        raise ValueError("an array without a dtype")
    if not isinstance(call.arguments[0], str):
        raise ValueError("a dtype without a name")
    kind = np.dtype(call.arguments[0])
    big_endian = isinstance(call.state, tuple) and call.state[1] == ">"
    # numpy has no bfloat16, so paddle pickles the bits of one as whole numbers.
    name = "bfloat16" if kind == np.uint16 else kind.name
    return name, kind.itemsize, big_endian


def _check_length(name: str, wanted: int, data) -> None:
    """Raise unless `data` can hold `wanted` bytes; UTF-8 writes Latin-1 in up to two each."""
    held = data.length if isinstance(data, Span) else len(data)
    most = 2 * wanted if isinstance(data, Span) and data.utf8 else wanted
    if not wanted <= held <= most:
        raise WeightsError(
            f"tensor {name!r} claims {wanted:_} bytes and the file has {held:_} for it"
        )


class _Latin1:
    """The bytes of a stretch of file that holds them as Latin-1 text in UTF-8."""

    def __init__(self, window: Window):
        self._window, self._rest = window, b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, count: int) -> bytes:
        parts, held = [self._rest], len(self._rest)
        while held < count:
            encoded = self._window.read(count - held)
            if not encoded:
                break
            parts.append(self._decoder.decode(encoded).encode("latin-1"))
            held += len(parts[-1])
        data = b"".join(parts)
        self._rest = data[count:]
        return data[:count]


class _Held:
    """Bytes that are already in memory, as a stream."""

    def __init__(self, data: bytes):
        self._data = data

    def read(self, count: int) -> bytes:
        data, self._data = self._data[:count], self._data[count:]
        return data


def _stream(file: BinaryIO, data):
    if isinstance(data, Span):
        window = Window(file, data.offset, data.length)
        return _Latin1(window) if data.utf8 else window
    return _Held(data.encode("latin-1") if isinstance(data, str) else data)
