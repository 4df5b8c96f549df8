"""Reports as people see them on standard output: tables, and lines of JSON."""

import json
from collections.abc import Iterator

from export.report import as_dict
from export.results import Check, Report, Status

AROUND = 3  # layers shown on either side of the first that differs
MARKS = {Status.PASSED: "[green]passed[/]", Status.FAILED: "[red]FAILED[/]"}


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
