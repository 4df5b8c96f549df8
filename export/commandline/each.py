"""Export several networks, each in a process of its own, which ends with its memory."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

PATIENCE = 30.0  # seconds for an export to clear up after an interrupt


def export_each(
    tool: Path, arguments: list[str], models: Iterable[str], out: Path, as_json: bool
) -> int:
    """Run `tool` once for each of `models`, and print its reports; return the worst exit status.

    `arguments` are those of the command line without its models.
    """
    from export.commandline.next_steps import print_next_steps
    from export.commandline.terminal import print_reports, print_summary, print_warnings
    from export.process import output_of
    from export.report.file import from_dict

    command = [sys.executable, str(tool), *arguments]
    statuses, reports = [], []
    for model in models:
        status, printed = output_of([*command, "--json", "--model", model], PATIENCE)
        statuses.append(status)
        written = [from_dict(json.loads(line)) for line in printed.splitlines()]
        reports += [replace(one, folder=str(out / one.model / one.format)) for one in written]
        if as_json:
            print_reports(written, as_json=True)
    if not as_json:
        print_summary(reports)
        print_next_steps(reports)
        print_warnings(reports)
    return max(statuses)
