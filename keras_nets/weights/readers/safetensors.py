"""`.safetensors`: the length of a JSON header, the header, then the values."""

import json
import math
from pathlib import Path
from typing import BinaryIO

from keras_nets.errors import WeightsError
from keras_nets.weights.tensor import ITEM_BYTES, Tensor, WeightsFile, Window, check_shape, facts_of

KIND = "safetensors"
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
LARGEST_HEADER = 4 << 20  # bytes; a thousand tensors take 0.1 MB


def matches(head: bytes, size: int) -> bool:
    """Return whether the file starts with a length that fits and a JSON object."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def read(file: BinaryIO, path: Path, size: int) -> WeightsFile:
    """List the tensors of an open file of `size` bytes."""
    length = int.from_bytes(file.read(8), "little")
    if length > LARGEST_HEADER:
        raise WeightsError(f"its header claims {length:_} bytes; {LARGEST_HEADER:_} are allowed")
    header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("metadata that is no dictionary")
    tensors = {name: _tensor(file, name, entry, 8 + length, size) for name, entry in header.items()}
    return WeightsFile(path, KIND, tensors, facts_of(metadata))


def _tensor(file: BinaryIO, name: str, entry: dict, base: int, size: int) -> Tensor:
    """Return the tensor of one entry, whose offsets count from `base`."""
    shape = check_shape(name, entry["shape"])
    start, end = entry["data_offsets"]
    dtype = DTYPES.get(entry["dtype"], str(entry["dtype"])[:20])
    if not (type(start) is int and type(end) is int and 0 <= start <= end <= size - base):
        raise WeightsError(f"tensor {name[:200]!r} lies outside the file; fetch it again")
    if dtype in ITEM_BYTES and end - start != math.prod(shape) * ITEM_BYTES[dtype]:
        raise WeightsError(
            f"tensor {name[:200]!r} has {end - start:_} bytes, which its shape {shape} does not"
            " take"
        )
    return Tensor(
        name=name, shape=shape, dtype=dtype, open=lambda: Window(file, base + start, end - start)
    )
