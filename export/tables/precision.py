"""What artifacts in reduced precision cost and how far they are off, as their reports say."""

from collections.abc import Iterable
from pathlib import Path

from export.formats import find_format
from export.formats.names import ONNX
from export.report.file import read_report, reports_below
from export.results import Report, find

HEADER = (
    "network", "format", "verdict", "MB", "x FP32", "error, std", "allowed",
    "without rounding, std", "allowed", "agreement", "kept in FP32", "made in, s", "CPU, s",
    "at most, GB",
)  # fmt: skip
ALIGN = "lll" + "r" * 7 + "l" + "r" * 3


def read_rows(folders: Iterable[Path]) -> list[list[str]]:
    """Read a row of cells for each artifact at any depth of `folders`; ArtifactError as reports."""
    reports = [
        read_report(below) for folder in folders for below in reports_below(folder) or [folder]
    ]
    base = {report.model: report.artifact["bytes"] for report in reports if _is_base(report)}
    ordered = sorted(reports, key=lambda report: (report.model, report.format))
    return [cells(report, base.get(report.model)) for report in ordered]


def _is_base(report: Report) -> bool:
    """Whether sizes are compared with this artifact's: ONNX in 32 bits."""
    format = find_format(report.format)
    return format.kind == ONNX and format.precision == "fp32"


def cells(report: Report, base: int | None) -> list[str]:
    """One row; `base` is the size of the FP32 file in bytes, where there is one."""
    parity = find(report.checks, "parity")
    details = parity.details if parity else {}
    exact, agreement = details.get("halves", {}).get("exact", {}), details.get("agreement")
    size, cost = report.artifact["bytes"], report.cost
    return [
        report.model,
        report.format,
        report.verdict.value,
        f"{size / 1e6:.1f}",
        f"{size / base:.2f}" if base else "",
        _short(parity.measured if parity else None),
        _short(parity.allowed if parity else None),
        _short(exact.get("measured")),
        _short(exact.get("allowed")),
        f"{agreement['equal']} of {agreement['of']}" if agreement else "",
        ", ".join(report.artifact.get("kept", {})),
        f"{cost.wall_s:.0f}",
        f"{cost.cpu_s:.0f}",
        f"{cost.peak_rss_bytes / 1e9:.2f}",
    ]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
