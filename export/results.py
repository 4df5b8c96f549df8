"""What the steps of an export hand to each other."""

from dataclasses import dataclass, field
from enum import Enum


class Status(str, Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # and the note says why


@dataclass(frozen=True)
class Check:
    """One measurement against one bound, both in `unit`."""

    name: str
    status: Status
    measured: float | None = None
    allowed: float | None = None
    unit: str = ""
    note: str = ""
    details: dict = field(default_factory=dict, hash=False)  # JSON: what is behind the number


@dataclass(frozen=True)
class Cost:
    """What a piece of work took, over the whole process tree."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Report:
    """An artifact, and all that is known of it: the content of its report.json."""

    model: str
    format: str
    checks: tuple[Check, ...]
    weights: dict  # source, sha256
    artifact: dict  # bytes, files: path within the artifact -> sha256
    options: dict  # classes, image, flavour, batch_sizes, seed
    cost: Cost
    environment: dict
    command: tuple[str, ...] = ()
    folder: str = field(default="", compare=False)  # where it lies now; not part of report.json

    @property
    def passed(self) -> bool:
        return all(check.status is not Status.FAILED for check in self.checks)
