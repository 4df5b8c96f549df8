"""Import modules that import Keras, without the lines that TensorFlow writes as it is loaded.

They come from C++, before any of its settings is read, so standard error is redirected at the level
of the file descriptor. Users who set TF_CPP_MIN_LOG_LEVEL to 0 or 1 see them all the same.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
DRIVERS = ("/proc/driver/nvidia/version", "/dev/dxg")  # NVIDIA's in Linux, and in Windows' Linux
OF_TENSORFLOW = re.compile(
    rb"[IWEF]\d{4} |\d{4}-\d\d-\d\d |WARNING: All log messages before absl|To enable the following"
)


def import_quietly(module: str):
    """Import `module`, and with it TensorFlow if that is Keras' backend and not loaded yet."""
    os.environ.setdefault(LEVEL, "2")
    if "tensorflow" in sys.modules or os.environ[LEVEL] in ("0", "1"):
        return import_module(module)
    with _without_log():
        found = import_module(module)
        _look_for_gpus()
    return found


def _look_for_gpus() -> None:
    """If there is no driver, let TensorFlow look for a GPU now, while its log is hidden.

    It does so before its first operation anyway, and logs an error of CUDA if it finds none.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and not any(map(os.path.exists, DRIVERS)):
        tensorflow.config.list_physical_devices("GPU")


@contextmanager
def _without_log() -> Iterator[None]:
    """Drop TensorFlow's log lines from standard error; other lines are written at the end."""
    try:
        own = os.dup(2)
    except OSError:  # there is no standard error to keep clean
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(own, 2)
            os.close(own)
            written.seek(0)
            for line in written:
                if not OF_TENSORFLOW.match(line):
                    os.write(2, line)
