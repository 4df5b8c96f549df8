"""Do what compress.py does, without training and in less memory: a script for a lane."""

import ctypes
import os
import sys

# The allocator of oneDNN keeps what is freed, which is as much as the network takes, or more, and
# so does that of C with what is smaller than a limit that it raises on the way.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
if sys.platform == "linux":
    ctypes.CDLL(None).mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD: what is larger goes back at once

from compress import work  # noqa: F401
