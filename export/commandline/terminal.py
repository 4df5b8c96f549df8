"""Reports as people see them on standard output: tables, and lines of JSON."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping

from export.commandline.console import make_console
from export.commandline.hanging import print_hanging
from export.commandline.spelling import spelled
from export.contract import LOGITS, called
from export.printable import printable
from export.report.file import as_dict
from export.results import Check, Report, Status, Verdict
from export.wording import number, unit_of

AROUND = 3  # layers shown on either side of the first that differs
WIDE, ANY = 200, 100_000  # columns of a table that no terminal bounds, and of one without end
INDENT = 14  # columns that the names of checks take
STD, SPELT = re.compile(r"\bstd\b"), "standard deviations of the {called} (std)"
MARKS = {Status.PASSED: "[green]passed[/]", Status.FAILED: "[red]FAILED[/]"}
NOT_ASKED = Check("parity", Status.SKIPPED)
VERDICTS = {
    Verdict.VERIFIED: "[bold green]verified[/]",
    Verdict.EXCEPT_ENGINE: "[bold yellow]verified except engine[/]",
    Verdict.SYNTHETIC: "[bold yellow]verified, with ranges from synthetic images[/]",
    Verdict.NOT_VERIFIED: "[bold red]NOT verified[/]",
}


def print_reports(reports: list[Report], as_json: bool, *, details: bool = True) -> None:
    """Print reports to stdout: a table for people, or a line of JSON for each artifact.

    Without `details` a check that passed is one line.
    """
    if as_json:
        for report in reports:
            print(json.dumps(as_dict(report)), flush=True)
        return
    from rich.markup import escape

    console, spell = make_console(), _speller(_called(reports))
    for report in reports:
        console.print(f"[bold]{escape(report.model)}  {report.format}[/]", soft_wrap=True)
        for check in report.checks:
            for left, right in _lines(check, details or check.status is not Status.PASSED):
                print_hanging(console, left, spell(right), INDENT)
        _print_verdict(console, report)


def _print_verdict(console, report: Report) -> None:
    """Print the verdict and what the artifact is: below each other on a terminal, else one line."""
    if console.is_terminal:
        console.print(VERDICTS[report.verdict])
        print_hanging(console, "", _closing(report), 2)
    else:
        width = max(len(report.verdict.value) + 2, INDENT)
        print_hanging(console, VERDICTS[report.verdict], _closing(report), width)


def print_warnings(reports: list[Report]) -> None:
    """Print warnings: what a user should know although no check fails because of it."""
    from rich.markup import escape

    console = make_console()
    for warning in dict.fromkeys(text for report in reports for text in report.warnings):
        print_hanging(console, "[yellow]note[/]", f"[yellow]{escape(warning)}[/]", 9)


def print_unable(errors: Mapping[str, Exception]) -> None:
    """Print a line to stderr for each error, with the names of what it kept from being made."""
    names: dict[str, list[str]] = {}
    for name, error in errors.items():
        names.setdefault(" ".join(f"{error}".splitlines()), []).append(name)
    for line, kept in names.items():
        text = printable(spelled(f"{', '.join(kept)}: {line}"), None)
        print(f"error: {text}", file=sys.stderr, flush=True)


def print_summary(reports: list[Report], *, costs: bool = True) -> None:
    """Print one line for each of many reports to stdout, with what each artifact cost if asked.

    Where two are of one network and format, their folders tell them apart.
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    twice = len({(one.model, one.format) for one in reports}) < len(reports)
    for heading in ("network", "format", "verdict", "parity"):
        table.add_column(heading, overflow="fold")
    if twice:
        table.add_column("folder", no_wrap=True)
    for heading in ("MB", "s", "GB") if costs else ("MB",):
        table.add_column(heading, no_wrap=True, justify="right")
    for report in reports:
        parity = report.check("parity") or NOT_ASKED
        cost = report.cost
        numbers = [report.artifact["bytes"] / 1e6, cost.wall_s, cost.peak_rss_bytes / 1e9]
        texts = [f"{value:.{places}f}" for value, places in zip(numbers, (1, 0, 2), strict=True)]
        table.add_row(
            escape(report.model),
            report.format,
            VERDICTS[report.verdict],
            f"{number(parity.measured, missing='-')} of {number(parity.allowed, missing='-')}",
            *([escape(report.folder)] if twice else []),
            *(texts if costs else texts[:1]),
        )
    _print_table(table)
    _print_below(reports, twice)


def _print_table(table) -> None:
    console = make_console()
    least = make_console(width=ANY).measure(table).minimum
    if console.is_terminal and least > console.width:
        _print_rows(console, table)
    elif console.is_terminal:
        console.print(table)
    else:
        make_console(width=max(WIDE, least)).print(table)


def _print_below(reports: list[Report], twice: bool) -> None:
    """Print below a table its unit, and why artifacts are not verified."""
    from rich.markup import escape

    console = make_console()
    std = f"standard deviations of the {escape(_called(reports))}"
    console.print(f"[dim]parity: worst error, in {std}[/]")
    reasons = ((report.verdict, _reason(report, twice)) for report in reports)
    for verdict, reason in dict.fromkeys(reasons):
        if reason:
            width = len(verdict.value) + 2
            print_hanging(console, VERDICTS[verdict], f"[dim]{escape(reason)}[/]", width)


def _print_rows(console, table) -> None:
    """Print a table as a line for each cell, where a terminal is too narrow for its words."""
    headings = [column.header for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        console.print(f"[bold]{cells[0]}  {cells[1]}[/]", soft_wrap=True)
        for heading, cell in zip(headings[2:], cells[2:], strict=True):
            print_hanging(console, f"  {heading}", cell, INDENT)


def _reason(report: Report, twice: bool = False) -> str:
    """Return why an artifact is not verified, for a line below the table; "" if it is.

    It is called by its folder where there are `twice` of its name.
    """
    if report.verdict in (Verdict.VERIFIED, Verdict.SYNTHETIC):
        return ""
    if report.verdict is Verdict.EXCEPT_ENGINE:
        return next(check.note for check in report.checks if check.name == "engine")
    failed = (check for check in report.checks if check.status is Status.FAILED)
    whys = "; ".join(f"{check.name}: {check.note}".rstrip(": ") for check in failed)
    return f"{report.folder if twice else f'{report.model} {report.format}'}: {whys}"


def _lines(check: Check, details: bool) -> Iterator[tuple[str, str]]:
    """Yield a check as (left, right) of a line; with `details` also its note and layers."""
    from rich.markup import escape

    status = MARKS.get(check.status, "[yellow]skipped[/]")
    numbers = f"  {_numbers(check)}".rstrip()
    power = check.details.get("power", {})
    if power.get("of"):
        numbers += f", power {power['caught']}/{power['of']}"
    yield f"  {check.name}", f"{status}{numbers}"
    if check.note and details:
        yield "", f"[dim]{escape(check.note)}[/]"
    for layer in _compared(check) if details else ():
        error, allowed = (number(layer[key], missing="-") for key in ("error", "allowed"))
        yield "", f"[dim]{error:>8} of {allowed}  {escape(layer['name'])}[/]"


def _numbers(check: Check) -> str:
    """Return what was measured and what is allowed; no limit is shown where it is 0."""
    measured, allowed = check.measured, check.allowed
    if measured is None or measured == allowed == 0:
        return ""
    if not allowed:
        return f"{number(measured)} {unit_of(measured, check.unit)}"
    return f"{number(measured)} of {number(allowed)} {unit_of(allowed, check.unit)}"


def _called(reports: list[Report]) -> str:
    """What all of the reports compare, in a word."""
    words = {called(report.contract) for report in reports} or {LOGITS}
    return words.pop() if len(words) == 1 else "outputs"


def _speller(word: str) -> Callable[[str], str]:
    """Return a function that spells `std` out the first time that it stands in a text.

    `word` is what is compared.
    """
    from rich.markup import escape

    met, spelt = [], SPELT.format(called=escape(word))

    def spell(text: str) -> str:
        if met or not STD.search(text):
            return text
        met.append(text)
        return STD.sub(lambda _: spelt, text, count=1)

    return spell


def _compared(check: Check) -> list[dict]:
    """Return the layers that were compared; if one differs, only the first and its neighbours."""
    layers = [layer for layer in check.details.get("layers", ()) if "tensor" in layer]
    at = check.details.get("diverges", {}).get("fine_before")
    return layers if at is None else layers[max(at - AROUND, 0) : at + AROUND + 1]


def _closing(report: Report) -> str:
    from rich.markup import escape

    cost, reason = report.cost, ""
    if report.verdict is Verdict.EXCEPT_ENGINE:
        reason = f"[yellow]{escape(_reason(report))}[/]  "
    return (
        f"{reason}{escape(report.folder)}  {report.artifact['bytes'] / 1e6:.1f} MB  "
        f"weights {escape(report.weights['source'])}  "
        f"{cost.wall_s:.1f} s  {cost.peak_rss_bytes / 1e9:.2f} GB at most"
    )
