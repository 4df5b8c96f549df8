"""Measure time and memory of this process and of all that it starts."""

import os
import threading
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from export.results import Cost

INTERVAL = 0.05  # seconds between samples of memory


class Meter:
    """Sample the memory of the process tree in the background until `close`, or until it is let go.

    Resident memory is added up over the processes, so pages that they share count in each. Time
    counts from when the meter is made: a process may be older than its work, as a notebook is, or a
    shell that ran something else before. Work for one thing of several, such as a format, is done
    in `on` it, and is then no cost of others.
    """

    def __init__(self):
        import psutil

        self._process = psutil.Process()
        self._gone = psutil.Error
        self._on = ""  # what work is for; empty: for all
        self._peaks = Counter()  # bytes
        self._seconds = defaultdict(lambda: (0.0, 0.0))  # of the clock and of processors
        self._stop = threading.Event()
        self._started = time.monotonic(), _processor_time()
        # An export that fails never comes to `close`, so the thread must not keep this alive.
        watched = weakref.ref(self)
        self._thread = threading.Thread(target=_watch, args=(watched, self._stop), daemon=True)
        self._thread.start()

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Work for `name` alone."""
        wall, cpu = self._now()
        self._on = name
        try:
            yield
        finally:
            self._sample()
            self._on = ""
            before, now = self._seconds[name], self._now()
            self._seconds[name] = before[0] + now[0] - wall, before[1] + now[1] - cpu

    def read(self, name: str = "") -> Cost:
        """The cost since the meter was made; of `name`, without that of work for others."""
        self._sample()
        others = [spent for key, spent in self._seconds.items() if name and key != name]
        wall, cpu = (now - sum(spent) for now, *spent in zip(self._now(), *others, strict=True))
        peaks = [self._peaks[""], self._peaks[name]] if name else self._peaks.values()
        return Cost(round(wall, 2), round(cpu, 2), max(peaks))

    def _now(self) -> tuple[float, float]:
        wall, cpu = self._started
        return time.monotonic() - wall, _processor_time() - cpu

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except self._gone:
                    continue  # it ended between being listed and being asked
        except self._gone:
            return
        self._peaks[self._on] = max(self._peaks[self._on], total)


def _processor_time() -> float:
    """Seconds of processors that this process took, and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _watch(watched: weakref.ref, stop: threading.Event) -> None:
    """Sample until `stop`, or until nobody holds the meter any more."""
    while not stop.wait(INTERVAL):
        meter = watched()
        if meter is None:
            return
        meter._sample()
        del meter
