"""Bounds the memory that building a model may take by the file that it is built of."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of a file: its values as they are read, as Keras first draws them, and as 16 bits become 32.
TIMES = 8
SLACK = 4 << 30  # bytes for graphs, and what TensorFlow sets aside
EACH_PROCESSOR = 1 << 28  # bytes of address space that threads take


@contextmanager
def bounded_by(path: Path) -> Iterator[None]:
    """Let this process take only so much more memory as the model in the file at `path` can need.

    Its configuration may ask for more than there is, and the system would then kill the process.
    Whoever allocates beyond that is refused. Does nothing but on Linux.
    """
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    extra = SLACK + EACH_PROCESSOR * (os.cpu_count() or 1) + TIMES * path.stat().st_size
    resource.setrlimit(resource.RLIMIT_AS, (_least(used + extra, *before), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _least(*limits: int) -> int:
    return min(limit for limit in limits if limit != resource.RLIM_INFINITY)
