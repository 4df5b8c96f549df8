"""Measure time and memory of this process and of all that it starts."""

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from export.results import Cost

INTERVAL = 0.05  # seconds between samples of memory
STARTING = 2.0  # seconds in which a process becomes the program that it is to be


@dataclass
class Span:
    """A stretch of time, booked to one name or, with "", to all."""

    name: str
    began: tuple[float, float]
    ended: tuple[float, float] | None = None
    peak: int = 0  # bytes

    def took(self) -> tuple[float, float]:
        """Seconds of the clock, and of processors, until it ended or until now."""
        wall, cpu = self.ended or _now()
        return wall - self.began[0], cpu - self.began[1]


class Meter:
    """Sample the memory of the process tree in the background until `close`, or until it is let go.

    Resident memory is added up over the processes, so pages that they share count in each. Time
    counts from when the meter is made: a process may be older than its work, as a notebook is, or a
    shell that ran something else before. `with meter.on("onnx")` books the time and memory of the
    block to that format only. Of `process`, one of psutil, only wall time and memory are measured.
    """

    def __init__(self, process=None):
        import psutil

        self._process = process or psutil.Process()
        self._gone = psutil.Error
        self._spans = [Span("", _now())]  # one after the other; the last is open
        self._stop = threading.Event()
        # An export that fails never comes to `close`, so the thread must not keep this alive.
        watched = weakref.ref(self)
        self._thread = threading.Thread(target=_watch, args=(watched, self._stop), daemon=True)
        self._thread.start()

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Book the time and memory of the block to `name` only."""
        self._begin(name)
        try:
            yield
        finally:
            self._sample()
            self._begin("")

    def read(self, name: str = "") -> Cost:
        """Cost since the meter was made, less what was booked to names other than `name`."""
        self._sample()
        spans = [span for span in self._spans if not name or span.name in ("", name)]
        walls, cpus = zip(*(span.took() for span in spans), strict=True)
        return Cost(round(sum(walls), 2), round(sum(cpus), 2), max(span.peak for span in spans))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _begin(self, name: str) -> None:
        span = Span(name, _now())
        self._spans[-1].ended = span.began
        self._spans.append(span)

    def _sample(self) -> None:
        span, total = self._spans[-1], 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                try:
                    total += 0 if is_a_copy(process) else process.memory_info().rss
                except self._gone:
                    continue  # it ended between being listed and being asked
        except self._gone:
            return
        span.peak = max(span.peak, total)


def is_a_copy(process) -> bool:
    """Whether a process of psutil has just begun, and shares the memory of the one that started it.

    Between the two steps in which a program is started, the new process is the old one once more.
    """
    if time.time() - process.create_time() > STARTING:
        return False
    parent = process.parent()
    return parent is not None and process.cmdline() == parent.cmdline()


def _now() -> tuple[float, float]:
    """Seconds of the clock, and of processors that this process took and its ended children."""
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    return time.monotonic(), spent


def _watch(watched: weakref.ref, stop: threading.Event) -> None:
    """Sample until `stop`, or until nobody holds the meter any more."""
    while not stop.wait(INTERVAL):
        meter = watched()
        if meter is None:
            return
        meter._sample()
        del meter
