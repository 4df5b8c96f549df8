"""Progress on standard error: a moving line on a terminal, plain lines anywhere else."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from export.commandline.hanging import hanging, print_hanging
from export.progress import BYTES, DONE
from export.tensorflow_settings import quiet_tensorflow

EVERY = 10.0  # seconds between two lines about an amount, where no bar can be drawn
INDENT = 10  # columns that the seconds take
WIDEST = 60  # columns of a bar
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
LONG = 1.0  # seconds a step takes to be named in the last line


class Display:
    """Shows the steps of a piece of work, and amounts within them; see `export.progress`.

    On a terminal the present step is a moving line with the seconds it has taken so far, and each
    step leaves a line when it is over. Elsewhere each step is a line as it begins.
    """

    def __init__(self, stream):
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, stderr=True, highlight=False)
        self._terminal = self._console.is_terminal
        self._began = self._since = self._printed = time.monotonic()
        self._step: tuple[str, str] | None = None  # (about, doing)
        self._amount: tuple[float, float | None, str] | None = None  # (done, total, unit)
        self._took: dict[str, float] = {}  # seconds by what was being done
        # Left to itself Live takes sys.stderr over, and shows what libraries write there.
        self._live = Live(
            console=self._console,
            get_renderable=self._moving,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        if self._terminal:
            self._live.start()

    def __call__(self, about: str, doing: str) -> None:
        """Show that `doing` has begun; `about` says for which network, format or lane."""
        self._end_step()
        if doing != DONE:
            self._step = (about, doing)
        if not self._terminal:
            self._print(time.monotonic() - self._began, about, doing)

    def bar(self, about: str, done: float, total: float | None, unit: str = BYTES) -> None:
        """Show that `done` of `total` (None: not known) have come within the present step."""
        self._amount = (done, total, unit)
        now = time.monotonic()
        if not self._terminal and (done == total or now - self._printed >= EVERY):
            self._print(now - self._began, about, _amount(done, total, unit))

    def close(self) -> None:
        """End the last step, and say what the time went into."""
        self._end_step()
        if self._terminal:
            self._live.stop()
        order = sorted(self._took.items(), key=lambda item: -item[1])
        long = [f"{seconds:.0f} s {doing}" for doing, seconds in order if seconds >= LONG]
        if long:
            self._print(time.monotonic() - self._began, "in all", ", ".join(long))

    def _end_step(self) -> None:
        now = time.monotonic()
        if self._step:
            about, doing = self._step
            self._took[doing] = self._took.get(doing, 0) + now - self._since
            if self._terminal:
                self._print(now - self._since, about, f"{doing}{self._last()}")
        self._step, self._amount, self._since = None, None, now

    def _last(self) -> str:
        """The last amount of the step, such as pictures and what was learnt of them."""
        if not self._amount or self._amount[2] == BYTES:
            return ""
        return f"  {_amount(*self._amount)}"

    def _print(self, seconds: float, about: str, doing: str) -> None:
        self._printed = time.monotonic()
        print_hanging(self._console, f"[dim]{seconds:6.1f} s[/]", _text(about, doing), INDENT)

    def _moving(self):
        """Return the present step on a terminal; Live draws it again several times a second."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar

        if not self._step:
            return ""
        now = time.monotonic()
        frame = SPINNER[int(now * 8) % len(SPINNER)]
        left = f"[green]{frame}[/][dim]{now - self._since:5.1f} s[/]"
        text = _text(*self._step)
        if not self._amount:
            return hanging(left, text, INDENT)
        done, total, _ = self._amount
        row = hanging(left, f"{text}  {_amount(*self._amount)}", INDENT)
        bar = ProgressBar(total=total, completed=done, width=min(WIDEST, self._console.width - 12))
        return Group(row, hanging("", bar, INDENT)) if total else row


def _text(about: str, doing: str) -> str:
    from rich.markup import escape

    return f"[bold]{escape(about)}[/]  {escape(doing)}"


def _amount(done: float, total: float | None, unit: str) -> str:
    if unit == BYTES:
        done, total, unit, places = done / 1e6, total and total / 1e6, "MB", 1
    else:
        places = 0
    return f"{done:,.{places}f}" + (f" of {total:,.{places}f}" if total else "") + f" {unit}"


@contextmanager
def display(verbose: bool) -> Iterator[Display]:
    """Give a Display, and hide what libraries write to stderr unless `verbose`.

    Enter it before TensorFlow is imported.
    """
    quiet_tensorflow()
    with ExitStack() as leaving:
        if verbose:
            logging.getLogger("tensorflow").setLevel(logging.WARNING)  # or `warnings_hidden` is on
        stream = sys.stderr if verbose else leaving.enter_context(_stderr_to_ourselves())
        shown = Display(stream)
        leaving.callback(shown.close)
        yield shown


@contextmanager
def _stderr_to_ourselves() -> Iterator[TextIO]:
    """Give a stream to where stderr went, and let all others write to a temporary file instead.

    TensorFlow's C++ core writes to the file descriptor before any of its settings are read, so it
    is the descriptor that is turned.
    """
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as unseen, os.fdopen(own, "w") as stream:
        os.dup2(unseen.fileno(), 2)
        try:
            yield stream
        finally:
            sys.stderr.flush()
            stream.flush()
            os.dup2(own, 2)
