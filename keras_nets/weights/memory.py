"""Memory that a weight is made in and then kept in, so that no second copy of it is made."""

import math

import numpy as np

ALIGNMENT = 64  # bytes; TensorFlow's kernels may rely on it


def share(values: np.ndarray):
    """Return `values` for assignment; with TensorFlow a tensor that shares their memory."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return values
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return an uninitialised float32 array that starts at a multiple of `ALIGNMENT`."""
    count = math.prod(shape)
    memory = np.empty(4 * count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + 4 * count].view(np.float32).reshape(shape)
