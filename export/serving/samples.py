"""A batch of values that any server can be warmed up with, whatever a model takes.

Only the type and the shape count. Ids are zeros, because an id past the end of a vocabulary is an
error, and a failed request keeps a version from loading; flags are true, because a mask that hides
all leaves nothing to compute.
"""

import math
from collections.abc import Sequence

import numpy as np

from export.contract import Tensor, sizes_of
from export.serving.tensors import tensorflow_name

TEXT = b"a text of a few words"
PICTURE = 3  # axes of a picture, whose bytes are any


def sample(dtype: str, shape: Sequence[int], seed: int) -> np.ndarray:
    """Return values of `dtype`, numpy's name or "string", of a whole `shape`, batch included.

    Raises ValueError for a type that has no such values.
    """
    if dtype == "string":
        return np.full(shape, TEXT, object)
    kind = np.dtype(dtype).kind
    if kind == "f":
        random = np.random.default_rng(seed)
        return random.standard_normal(tuple(shape), dtype=np.float32).astype(dtype)
    if kind == "b":
        return np.ones(shape, dtype)
    if kind not in "iu":
        raise ValueError(f"no values are known of {dtype}")
    if dtype == "uint8" and len(shape) > PICTURE:
        return np.random.default_rng(seed).integers(0, 256, tuple(shape), np.uint8)
    return np.zeros(shape, dtype)


def bytes_of(tensor: Tensor) -> int:
    """Return how many bytes one sample takes, a text counted as one of TEXT.

    Raises ValueError for a type that no request holds.
    """
    kind = tensorflow_name(tensor.dtype)
    each = len(TEXT) if kind == "DT_STRING" else np.dtype(tensor.dtype).itemsize
    return each * math.prod(sizes_of(tensor))
