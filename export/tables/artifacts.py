"""Table B: what each artifact is, as its report.json says: size, error, bugs caught, cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from export.calibration.images import SYNTHETIC
from export.errors import ArtifactError
from export.report.file import read_report, reports_below
from export.results import Report, Status, find


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """One artifact. Errors are in standard deviations of the model's logits."""

    model: str
    format: str
    verdict: str
    bytes: int
    error: float | None
    allowed: float | None
    agreement: str  # how many top-1 agree with the model's
    bugs_caught: str  # of those planted; empty where no self-test was asked for
    wall_s: float
    peak_rss_bytes: int
    failed: str = ""  # the note of the check that it failed
    ranges: str = ""  # what those of 8 bits are from
    load_s: float | None = None  # from a benchmark, where there is one
    first_ms: float | None = None


def read_artifacts(folders: list[Path]) -> tuple[list[ArtifactRow], list[str]]:
    """A row for each artifact at any depth of `folders`, and a line for each that has no use."""
    rows, unread = [], []
    for folder in folders:
        for below in reports_below(folder) or [folder]:
            try:
                rows.append(artifact_row(read_report(below)))
            except ArtifactError as error:
                unread.append(str(error))
    return sorted(rows, key=lambda row: (row.model, row.format)), unread


def artifact_row(report: Report) -> ArtifactRow:
    parity = find(report.checks, "parity")
    details = parity.details if parity else {}
    top1, power = details.get("top1"), details.get("power", {})
    return ArtifactRow(
        model=report.model,
        format=report.format,
        verdict=report.verdict.value,
        bytes=report.artifact["bytes"],
        error=parity.measured if parity else None,
        allowed=parity.allowed if parity else None,
        agreement=f"{top1['equal']} of {top1['of']}" if top1 else "",
        bugs_caught=f"{power['caught']} of {power['of']}" if "caught" in power else "",
        wall_s=report.cost.wall_s,
        peak_rss_bytes=report.cost.peak_rss_bytes,
        failed=_first_failed(report),
        ranges=_ranges(report.calibration or {}),
    )


def _first_failed(report: Report) -> str:
    """The name of the first check that failed, and what it says; empty where none did."""
    failed = (check for check in report.checks if check.status is Status.FAILED)
    return next((f"{check.name}: {check.note}" for check in failed), "")


def _ranges(calibration: Mapping) -> str:
    """How many images the ranges are from, and which; empty where there are none."""
    if "count" not in calibration:
        return ""
    which = "synthetic images" if calibration.get("source") == SYNTHETIC else "pictures"
    return f"{calibration['count']} {which}"


def notes(rows: Iterable[ArtifactRow]) -> list[str]:
    """Sentences that the table has no room for."""
    found = dict.fromkeys(
        f"Ranges of {row.format} are from {row.ranges}." for row in rows if row.ranges
    )
    failed = [f"{row.model} in {row.format} failed: {row.failed}." for row in rows if row.failed]
    return [*found, *failed]


HEADER = (
    "network", "format", "verdict", "MB", "error, std", "allowed", "top-1 equal", "bugs caught",
    "made in, s", "at most, GB", "load, s", "first call, ms",
)  # fmt: skip
ALIGN = "lll" + "r" * 9


def cells(row: ArtifactRow) -> list[str]:
    return [
        row.model,
        row.format,
        row.verdict,
        f"{row.bytes / 1e6:.1f}",
        "" if row.error is None else f"{row.error:.1e}",
        "" if row.allowed is None else f"{row.allowed:.1e}",
        row.agreement,
        row.bugs_caught or "not asked",
        f"{row.wall_s:.0f}",
        f"{row.peak_rss_bytes / 1e9:.2f}",
        "" if row.load_s is None else f"{row.load_s:.2f}",
        "" if row.first_ms is None else f"{row.first_ms:.0f}",
    ]
