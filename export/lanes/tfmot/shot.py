"""Do what compress.py does, without training and in less memory: a script for a lane."""

import os

# The allocator of oneDNN keeps what is freed, which is as much as the network takes, or more.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

from compress import work  # noqa: F401
