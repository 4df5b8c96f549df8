"""Values of tensors that a changed network is compared with; where they are many, in files.

All the layers of a network together take far more memory than a run of it.
"""

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

MUCH = 1 << 26  # bytes


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one tensor; its values are in memory or in a file of nothing else."""

    dtype: tf.DType
    shape: tf.TensorShape
    spread: float  # its standard deviation
    value: tf.Tensor | None = None
    path: Path | None = None


@contextmanager
def kept(values: list[tf.Tensor]) -> Iterator[list[Known]]:
    """Yield what is known of `values`, a list that is emptied; files are gone after the block.

    What finds no room on the disk stays in memory.
    """
    much = sum(one.dtype.size * math.prod(one.shape) for one in values) > MUCH
    with ExitStack() as held:
        folder, known = _folder(held) if much else None, []
        while values:
            known.append(_known(values.pop(0), folder and folder / str(len(known))))
        yield known


def _folder(held: ExitStack) -> Path | None:
    """A new folder that is gone with `held`; None where there is no room for one."""
    try:
        return Path(held.enter_context(tempfile.TemporaryDirectory(prefix="known-")))
    except OSError:
        return None


def _known(value: tf.Tensor, path: Path | None) -> Known:
    array = np.asarray(value)
    spread = float(np.std(array, dtype=np.float64))
    if path and value.dtype == tf.float32 and _write(array, path):
        return Known(dtype=value.dtype, shape=value.shape, spread=spread, path=path)
    return Known(dtype=value.dtype, shape=value.shape, spread=spread, value=value)


def _write(array: np.ndarray, path: Path) -> bool:
    """Tell whether there was room for the file."""
    try:
        array.tofile(path)
    except OSError:
        path.unlink(missing_ok=True)  # what was written takes the room of others
        return False
    return True
