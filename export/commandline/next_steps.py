"""What a user does with artifacts that were just exported: look, verify again, serve."""

import os
import shlex
from pathlib import Path

from export.commandline.console import make_console
from export.commandline.hanging import print_hanging
from export.commandline.spelling import spelled
from export.formats import find_format
from export.report.file import PAGE
from export.results import Report

PARTIAL = " --partial-engines"
INDENT = 9  # columns that the names of the steps take


def print_next_steps(reports: list[Report]) -> None:
    """Print to stdout where the pages are, how to verify again, and how to serve."""
    from rich.markup import escape

    console = make_console()
    for name, text in next_steps(reports):
        print_hanging(console, f"[bold]{name}[/]", escape(text), INDENT)


def next_steps(reports: list[Report]) -> list[tuple[str, str]]:
    """(name, what to do) of each step, for artifacts that lie where their reports say."""
    folders = [report.folder for report in reports]
    if not folders:
        return []
    above = shlex.quote(os.path.commonpath(folders))
    steps = [
        ("page", str(Path(folders[0], PAGE)))
        if len(folders) == 1
        else ("pages", f"python tools/report.py {above} joins the {PAGE} of each artifact"),
        ("verify", f"python tools/verify.py {above}{PARTIAL if _any_partial(reports) else ''}"),
    ]
    served = [report for report in reports if report.passed and find_format(report.format).server]
    if served:
        command = f"python tools/bundle.py {shlex.quote(served[0].folder)} --to deploy/"
        steps.append(("serve", f"{command}, after pip install -e '.[serving]'"))
    return [(name, spelled(text)) for name, text in steps]


def _any_partial(reports: list[Report]) -> bool:
    """Whether one passed with engines for a part, which verifying has to be asked to accept too."""
    graphs = [report.check("graph") for report in reports if report.passed]
    return any("share" in graph.details for graph in graphs if graph)
