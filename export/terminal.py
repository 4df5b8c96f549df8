"""What people see: progress on stderr, tables on stdout, and nothing of TensorFlow's chatter."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from export.report import as_dict
from export.results import Check, Report, Status

SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # With oneDNN TensorFlow pools its memory and never returns it: 0.9 GB more for a VGG-19.
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
AROUND = 3  # layers shown on either side of the first that differs
MARKS = {Status.PASSED: "[green]passed[/]", Status.FAILED: "[red]FAILED[/]"}


class Display:
    """Progress of an export: a moving line on a terminal, plain lines anywhere else."""

    def __init__(self, stream):
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._console = Console(file=stream, stderr=True, highlight=False)
        self._spinner = Spinner("dots", "starting")
        self._live = None
        if self._console.is_terminal:
            # Left to itself Live takes sys.stderr over, and shows what libraries write there.
            self._live = Live(
                self._spinner,
                console=self._console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._since = time.monotonic()

    def __call__(self, about: str, doing: str) -> None:
        """Show that `doing` has begun; `about` says for which network or format."""
        from rich.markup import escape

        said = f"[bold]{escape(about)}[/]  {escape(doing)}"
        self._spinner.update(text=said)
        if self._live:
            self._live.update(self._spinner)
        seconds = time.monotonic() - self._since
        self._console.print(f"[dim]{seconds:6.1f} s[/]  {said}", soft_wrap=True)

    def fetched(self, done: int, total: int | None) -> None:
        """Show a bar of bytes that have come; nothing where there is no terminal."""
        if not self._live:
            return
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 1))
        amount = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
        row.add_row(ProgressBar(total=total, completed=done, width=40), amount)
        self._live.update(row)

    def close(self) -> None:
        if self._live:
            self._live.stop()


def settle() -> None:
    """Have TensorFlow quiet and lean, unless the user's environment says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def display(verbose: bool) -> Iterator[Display]:
    """Give a Display, and keep whatever libraries write to stderr out of sight unless `verbose`.

    To be entered before TensorFlow is imported.
    """
    settle()
    with ExitStack() as leaving:
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


def print_reports(reports: list[Report], as_json: bool) -> None:
    """Print reports to stdout: a table for people, or a line of JSON for each artifact."""
    if as_json:
        for report in reports:
            print(json.dumps(as_dict(report)), flush=True)
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for report in reports:
        console.print(f"[bold]{escape(report.model)}  {report.format}[/]")
        for check in report.checks:
            for line in _lines(check):
                console.print(line)
        console.print(_closing(report))


def print_summary(reports: list[Report]) -> None:
    """Print one line for each of many reports to stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("network", "format", "", "parity", "MB", "s", "GB"):
        table.add_column(heading, no_wrap=True, justify="right" if heading > "p" else "left")
    for report in reports:
        parity = next(check for check in report.checks if check.name == "parity")
        verdict = "[green]verified[/]" if report.passed else "[red]NOT verified[/]"
        cost, size = report.cost, report.artifact["bytes"]
        table.add_row(
            report.model,
            report.format,
            verdict,
            f"{_number(parity.measured)} of {_number(parity.allowed)} {parity.unit}",
            f"{size / 1e6:.1f}",
            f"{cost.wall_s:.0f}",
            f"{cost.peak_rss_bytes / 1e9:.2f}",
        )
    Console(highlight=False).print(table)


def _lines(check: Check) -> Iterator[str]:
    """A check as a line, and its note, where it has one, as another."""
    from rich.markup import escape

    status = MARKS.get(check.status, "[yellow]skipped[/]")
    numbers = ""
    if check.measured is not None and (check.measured or check.allowed != 0):  # "0 of 0" says less
        of = "" if check.allowed is None else f" of {_number(check.allowed)}"
        numbers = f"  {_number(check.measured)}{of} {check.unit}".rstrip()
    power = check.details.get("power", {})
    if power.get("of"):
        numbers += f", power {power['caught']}/{power['of']}"
    yield f"  {check.name:<12}{status}{numbers}"
    if check.note:
        yield f"              [dim]{escape(check.note)}[/]"
    for layer in _compared(check):
        error, allowed = _number(layer["error"]), _number(layer["allowed"])
        yield f"              [dim]{error or '-':>8} of {allowed}  {escape(layer['name'])}[/]"


def _compared(check: Check) -> list[dict]:
    """The layers that were compared; where one differs, those around the first that does."""
    layers = [layer for layer in check.details.get("layers", ()) if "tensor" in layer]
    at = check.details.get("diverges", {}).get("fine_before")
    return layers if at is None else layers[max(at - AROUND, 0) : at + AROUND + 1]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:.1e}" if abs(value) < 0.01 else f"{value:,.3g}"


def _closing(report: Report) -> str:
    from rich.markup import escape

    verdict = "[bold green]verified[/]" if report.passed else "[bold red]NOT verified[/]"
    cost = report.cost
    return (
        f"{verdict}  {escape(report.folder)}  {report.artifact['bytes'] / 1e6:.1f} MB  "
        f"weights {escape(report.weights['source'])}  "
        f"{cost.wall_s:.1f} s  {cost.peak_rss_bytes / 1e9:.2f} GB at most"
    )
