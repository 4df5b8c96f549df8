"""Tensors in memory that numpy fills, so that no weight is there twice on its way to TensorFlow."""

import numpy as np
import tensorflow as tf

ALIGNMENT = 64  # bytes; TensorFlow shares memory of others that lies so, and copies any other


def room_for(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array (shape) float32, not yet filled, that `shared` can make a tensor of."""
    size = 4 * int(np.prod(shape, dtype=np.int64))
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(np.float32).reshape(shape)


def shared(room: np.ndarray) -> tf.Tensor:
    """Return a tensor in the memory of what `room_for` gave, which is then not to be changed."""
    return tf.experimental.dlpack.from_dlpack(room.__dlpack__())
