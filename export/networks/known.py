"""Values of tensors that a changed network is compared with; where they are many, in files.

All the layers of a network together take far more memory than a run of it. The files have no names,
so that nothing is left of them however this process ends; TensorFlow opens them by their numbers.
"""

import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

MUCH = 1 << 26  # bytes of all tensors
LARGE = 1 << 20  # bytes of one that is worth a file
MOST = 256  # files
SHARE = 4  # of those that this process may have open, one in so many
OPEN = Path("/proc/self/fd")  # where Linux has them


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
    much = OPEN.is_dir() and sum(map(_size, values)) > MUCH
    with ExitStack() as held, ThreadPoolExecutor(1) as beside:
        known, left = [], _most_files() if much else 0
        while values:
            known.append(_known(values.pop(0), held if left else None, beside))
            left -= known[-1].path is not None
        yield known


def _most_files() -> int:
    import resource

    return min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE)


def _size(value: tf.Tensor) -> int:
    return value.dtype.size * math.prod(value.shape)


def _known(value: tf.Tensor, held: ExitStack | None, beside: Executor) -> Known:
    """What is known of a tensor, in a file that ends with `held` if there is to be one.

    The file is written `beside` what is computed here.
    """
    array, written = np.asarray(value), None
    if held and value.dtype == tf.float32 and _size(value) >= LARGE:
        written = beside.submit(_written, array, held)
    spread = float(np.std(array, dtype=np.float64))
    path = written.result() if written else None
    own = None if path else value
    return Known(dtype=value.dtype, shape=value.shape, spread=spread, value=own, path=path)


def _written(array: np.ndarray, held: ExitStack) -> Path | None:
    """Where the file is that `array` was written to; None where there is no room for it."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(tempfile.TemporaryFile())
            array.tofile(file)
            file.flush()
        except OSError:
            return None
        held.push(opened.pop_all())
    return OPEN / str(file.fileno())
