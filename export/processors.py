"""The processors that this process may use, and work that takes turns on them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

AHEAD = 2  # pieces of work a processor that are begun before they are asked for


def processors() -> int:
    """How many processors this process may run on."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def ahead(work: Callable, entries: Iterable) -> Iterator[Future]:
    """Yield the future of `work` on each of `entries`, in their order.

    Threads begin a few before they are asked for, so that memory has a bound; those that are not
    asked for in the end are dropped.
    """
    most, waiting = AHEAD * processors(), deque()
    with ThreadPoolExecutor(processors()) as threads:
        try:
            for entry in entries:
                waiting.append(threads.submit(work, entry))
                if len(waiting) > most:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for one in waiting:
                one.cancel()
