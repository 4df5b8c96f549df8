"""Images of numbers for a calibration on a cluster, whose actors import this."""

import os
import signal
from pathlib import Path

import numpy as np

SHAPE = (4, 4, 3)


def make(number: int) -> np.ndarray:
    """The image of a number, (4, 4, 3) float32."""
    return np.random.default_rng(number).standard_normal(SHAPE).astype(np.float32) * (1 + number)


def make_or_die(mark: Path, number: int) -> np.ndarray:
    """The same; the process that makes number 20 is killed, the first time."""
    if number == 20 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return make(number)
