"""Settings of TensorFlow that are read from the environment: quiet, and lean with memory.

They are defaults: what the user's own environment says stays. TensorFlow reads them once, as it is
imported, so they are to be set before.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}  # errors only; a graph alone is hundreds of lines else
# With oneDNN TensorFlow pools its memory and never returns it: 0.9 GB more for a VGG-19.
LEAN = {"TF_ENABLE_ONEDNN_OPTS": "0"}


def settle() -> None:
    """Have TensorFlow quiet and lean in this process, which is one of ours."""
    for name, value in (QUIET | LEAN).items():
        os.environ.setdefault(name, value)


@contextmanager
def warnings_hidden() -> Iterator[None]:
    """Hide what TensorFlow's Python warns of, such as what converters still use of its version 1.

    A level that somebody has given to its logger stays.
    """
    logger = logging.getLogger("tensorflow")
    if logger.level != logging.NOTSET:
        yield
        return
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)
