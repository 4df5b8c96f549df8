"""PaddlePaddle `.pdparams`: one pickle of a dictionary from names to numpy arrays."""

import math
from pathlib import Path
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import check_key, read_pickle
from keras_nets.weights.readers.numpy_pickle import array
from keras_nets.weights.state import named_tensors
from keras_nets.weights.tensor import Tensor, WeightsFile, check_shape

KIND = "pdparams"
# Written by paddle beside the tensors: their internal names, and which were cut into slices.
INTERNAL_NAMES = "StructuredToParameterName@@"
SLICES = "UnpackBigParamInfor@@"


def matches(head: bytes, size: int) -> bool:
    """Protocols 2 to 5; only `pth-legacy`, asked before, starts likewise."""
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read(file: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List the tensors of an open .pdparams file of `size` bytes."""
    state = read_pickle(file, size)
    slices = state.pop(SLICES, {}) if isinstance(state, dict) else {}
    tensors = named_tensors(
        state, lambda name, value: array(file, name, value), aside=(INTERNAL_NAMES,)
    )
    for name, parts in slices.items():
        if not isinstance(name, str):
            raise ValueError("a tensor whose name is no text")
        tensors[name] = _joined(name, parts, tensors)
    return WeightsFile(path, KIND, tensors)


class _Chain:
    """Several streams, one after the other."""

    def __init__(self, streams):
        self._streams = iter(streams)
        self._current = next(self._streams)

    def read(self, count: int) -> bytes:
        data = self._current.read(count)
        while not data:
            following = next(self._streams, None)
            if following is None:
                break
            self._current = following
            data = self._current.read(count)
        return data


def _joined(name: str, info: dict, tensors: dict[str, Tensor]) -> Tensor:
    """Join a tensor over 1 GiB, which protocols 2 and 3 cut into flat slices."""
    parts = [tensors.pop(check_key(part)) for part in info["slices"]]
    shape = check_shape(name, info["OriginShape"])
    held = sum(math.prod(part.shape) for part in parts)
    kinds = {(part.dtype, part.big_endian) for part in parts}
    if held != math.prod(shape) or len(kinds) != 1 or any(part.strides for part in parts):
        raise WeightsError(f"tensor {name!r} has slices that do not make up its shape {shape}")
    ((dtype, big_endian),) = kinds
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        open=lambda: _Chain(part.open() for part in parts),
        big_endian=big_endian,
    )
