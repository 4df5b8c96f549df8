"""Measure time and memory of this process and of all that it starts."""

import os
import threading
import time
import weakref

from export.results import Cost

INTERVAL = 0.05  # seconds between samples of memory


class Meter:
    """Sample the memory of the process tree in the background until `close`, or until it is let go.

    Resident memory is added up over the processes, so pages that they share count in each.
    """

    def __init__(self):
        import psutil

        self._process = psutil.Process()
        self._gone = psutil.Error
        self._peak = 0
        self._stop = threading.Event()
        self._started = self._process.create_time()  # imports before now are part of the cost
        # An export that fails never comes to `close`, so the thread must not keep this alive.
        watched = weakref.ref(self)
        self._thread = threading.Thread(target=_watch, args=(watched, self._stop), daemon=True)
        self._thread.start()

    def read(self) -> Cost:
        """The cost since the process began."""
        times = os.times()
        cpu = times.user + times.system + times.children_user + times.children_system
        self._sample()
        return Cost(round(time.time() - self._started, 2), round(cpu, 2), self._peak)

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
        self._peak = max(self._peak, total)


def _watch(watched: weakref.ref, stop: threading.Event) -> None:
    """Sample until `stop`, or until nobody holds the meter any more."""
    while not stop.wait(INTERVAL):
        meter = watched()
        if meter is None:
            return
        meter._sample()
        del meter
