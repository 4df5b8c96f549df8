"""How far an evaluation is, on standard error: a bar on a terminal, else a line now and then."""

import sys
import time

WIDE = 60  # columns from which on there is room for the time that remains


def progress():
    """A bar where standard error is a terminal, plain lines where it is a file or a pipe."""
    return Bar() if sys.stderr.isatty() else Lines(sys.stderr)


class Bar:
    """One bar a subject. A context manager."""

    def __enter__(self) -> "Bar":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        if console.width >= WIDE:
            columns.append(TimeRemainingColumn(elapsed_when_finished=True))
        self._bars = Progress(*columns, console=console)
        self._bars.start()
        return self

    def __exit__(self, *_) -> None:
        self._bars.stop()

    def start(self, name: str, done: int, total: int) -> None:
        self._task = self._bars.add_task(name, completed=done, total=total)

    def advance(self, count: int) -> None:
        self._bars.advance(self._task, count)


class Lines:
    """A line for the start of a subject, for its end, and every `interval` seconds between."""

    def __init__(self, stream, interval: float = 10.0):
        self._stream = stream
        self._interval = interval

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_) -> None:
        pass

    def start(self, name: str, done: int, total: int) -> None:
        self._name, self._done, self._total = name, done, total
        self._say()

    def advance(self, count: int) -> None:
        self._done += count
        if self._done == self._total or time.monotonic() - self._said >= self._interval:
            self._say()

    def _say(self) -> None:
        print(f"{self._name}: {self._done} of {self._total}", file=self._stream, flush=True)
        self._said = time.monotonic()
