"""numpy `.npz`: a zip of one `.npy` member an array."""

import io
import math
from pathlib import Path

import numpy as np

from keras_nets.errors import WeightsError
from keras_nets.weights.tensor import ITEM_BYTES, Tensor, WeightsFile, check_shape, facts_of
from keras_nets.weights.zips import Archive

KIND = "npz"
METADATA = "__metadata__"  # an array of text, "key=value" each
LARGEST_METADATA = 64 << 10  # bytes
LARGEST_HEADER = 4096  # bytes


def claims(names: list[str]) -> bool:
    """Return whether a zip with these members is one of numpy."""
    return bool(names) and all(name.endswith(".npy") for name in names)


def read(archive: Archive, path: Path) -> WeightsFile:
    """List the arrays of an open zip; values are checked against the zip's CRC as they are read."""
    tensors, metadata = {}, {}
    for member in archive.names:
        name = member.removesuffix(".npy")
        if name == METADATA:
            metadata = _metadata(archive, member)
        else:
            tensors[name] = _tensor(archive, member, name)
    return WeightsFile(path, KIND, tensors, facts_of(metadata))


def _header(archive: Archive, member: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """(shape, whether in Fortran order, dtype, where the values start) of one array."""
    with archive.stream(member, 0, 1) as stream:
        start = io.BytesIO(stream.read(LARGEST_HEADER + 12))
    version = np.lib.format.read_magic(start)
    width, parse = {
        (1, 0): (2, np.lib.format.read_array_header_1_0),
        (2, 0): (4, np.lib.format.read_array_header_2_0),
    }[version]
    # numpy would read whatever length it finds here before it looks at its own limit.
    length = int.from_bytes(start.getbuffer()[8 : 8 + width], "little")
    if length > LARGEST_HEADER:
        raise WeightsError(
            f"its member {member[:200]!r} has a header of {length:_} bytes; {LARGEST_HEADER:_} are"
            " allowed"
        )
    shape, fortran, dtype = parse(start, max_header_size=LARGEST_HEADER)
    return check_shape(member, shape), fortran, dtype, start.tell()


def _metadata(archive: Archive, member: str) -> dict[str, str]:
    shape, _, dtype, start = _header(archive, member)
    if dtype.kind != "U" or len(shape) != 1 or not 0 < shape[0] * dtype.itemsize < LARGEST_METADATA:
        raise ValueError("metadata that is no short list of texts")
    whole = archive.small_file(member, start + LARGEST_METADATA)
    pairs = np.frombuffer(whole.getbuffer()[start:], dtype, count=shape[0])
    return dict(str(pair).split("=", 1) for pair in pairs)


def _tensor(archive: Archive, member: str, name: str) -> Tensor:
    """Return the array of one member, from its header."""
    shape, fortran, dtype, start = _header(archive, member)
    if dtype.hasobject:
        why = f"array {name[:200]!r} holds Python objects, which no weights need"
        return Tensor(name=name, shape=shape, dtype=str(dtype)[:20], open=lambda: None, problem=why)
    length = math.prod(shape) * dtype.itemsize
    if archive.size(member) != start + length:
        raise WeightsError(
            f"array {name[:200]!r} has {archive.size(member) - start:_} bytes, which its shape"
            f" {shape} does not take"
        )
    strides = None
    if fortran and len(shape) > 1:
        strides = tuple(math.prod(shape[:axis]) for axis in range(len(shape)))
    kind = dtype.name if dtype.name in ITEM_BYTES else str(dtype)[:20]

    def values():
        # From the start, or the zip's CRC would not be checked.
        stream = archive.stream(member, 0, start + length)
        stream.read(start)
        return stream

    return Tensor(
        name=name,
        shape=shape,
        dtype=kind,
        open=values,
        big_endian=dtype.byteorder == ">",
        strides=strides,
    )
