"""Give memory that is not needed at the moment back to the system.

Of libraries too, of which TensorFlow has 0.3 GB: a page that is as in its file can go at any time,
because it is read again where it is needed. One that was written to, as relocations are, stays.
"""

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SMAPS = Path("/proc/self/smaps")
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r-[-x]p) \S+ \S+ [1-9]\d* +(/.*\.so\S*)$")
CHANGED = ("Private_Dirty:", "Shared_Dirty:", "Anonymous:", "Swap:")  # sizes that must be 0
LEAST, TIMES = 1_000_000_000, 2.5  # bytes of any export, and times its weights beside these
DONT_NEED = 4  # MADV_DONTNEED
SMALLEST = 1 << 20  # bytes of a mapping that is worth it


def allowed(weight_bytes: int) -> float:
    """The most bytes that the export of a network with so many of weights should take."""
    return LEAST + TIMES * weight_bytes


def give_memory_back() -> None:
    """Collect models and activations, which lie in cycles, and return their pages to the system.

    Those of libraries go too, because who calls this waits for other processes next.
    """
    gc.collect()
    trim()
    unmap_libraries()


def trim() -> None:
    """Return what was freed to the system, which the C library keeps otherwise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def unmap_libraries() -> None:
    """Let go of the pages of libraries in this process that are as in their files."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for start, end in list(_unchanged()):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), DONT_NEED)


def _unchanged() -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each mapping of a library that nothing can write to or has written."""
    span, sizes = None, {}
    for line in [*_lines(), "0-0 ---p 0 0:0 0"]:
        key, _, rest = line.partition(" ")
        if key.endswith(":"):
            sizes[key] = rest.split()[0]
            continue
        if span and all(sizes.get(name) == "0" for name in CHANGED):
            yield span
        found, sizes = MAPPING.match(line), {}
        span = (int(found[1], 16), int(found[2], 16)) if found else None
        if span and span[1] - span[0] < SMALLEST:
            span = None


def _lines() -> list[str]:
    try:
        return SMAPS.read_text().splitlines()
    except OSError:
        return []  # a system that does not say so: all pages stay
