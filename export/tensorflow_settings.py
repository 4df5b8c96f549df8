"""Environment variables of TensorFlow that make it quiet and save memory.

They are defaults: variables that the user has set stay. TensorFlow reads them once, when it is
imported, so they must be set before that.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}  # errors only; a graph alone is hundreds of lines else
# With oneDNN TensorFlow pools its memory and never returns it: 0.9 GB more for a VGG-19.
LEAN = {"TF_ENABLE_ONEDNN_OPTS": "0"}


def quiet_tensorflow() -> None:
    """Set the defaults of QUIET and LEAN in this process, which must be one of ours."""
    for name, value in (QUIET | LEAN).items():
        os.environ.setdefault(name, value)


@contextmanager
def warnings_hidden() -> Iterator[None]:
    """Hide warnings of TensorFlow's Python, such as those about functions of TensorFlow 1.

    If somebody has set a level on its logger, nothing changes.
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
