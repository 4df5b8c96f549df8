"""What the steps of an export hand to each other."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum


class Status(str, Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # and the note says why


BATCH_SIZES = (1, 4, 8)  # that a server will use, where nobody says
NOT_ASKED = "not-asked"  # the reason of a check that another's failure left without a question


@dataclass(frozen=True)
class Check:
    """One measurement against one bound, both in `unit`."""

    name: str
    status: Status
    _: KW_ONLY
    measured: float | None = None
    allowed: float | None = None
    unit: str = ""
    note: str = ""
    details: dict = field(default_factory=dict, hash=False)  # JSON: what is behind the number


def verdict(name, passed, measured, allowed, unit="", note="", details=None) -> Check:
    """A check that passed or failed."""
    status = Status.PASSED if passed else Status.FAILED
    return Check(
        name,
        status,
        measured=measured,
        allowed=allowed,
        unit=unit,
        note=note,
        details=details or {},
    )


def skipped(name: str, why: str) -> Check:
    """A check that could not be made here, and why."""
    return Check(name, Status.SKIPPED, note=why)


def find(checks: Iterable[Check], name: str) -> Check | None:
    """The check called `name`, or None where it was not made."""
    return next((check for check in checks if check.name == name), None)


@dataclass(frozen=True)
class Cost:
    """What a piece of work took, over the whole process tree."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int


class Verdict(str, Enum):
    """What a report says of its artifact in a few words."""

    VERIFIED = "verified"
    # The engine computes in a precision of its own; what stands in for it elsewhere does not.
    EXCEPT_ENGINE = "verified except engine"
    NOT_VERIFIED = "not verified"


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The verdict that `checks` amount to."""
    status = {check.name: check.status for check in checks}
    if Status.FAILED in status.values():
        return Verdict.NOT_VERIFIED
    if status.get("engine") is Status.SKIPPED:
        return Verdict.EXCEPT_ENGINE
    return Verdict.VERIFIED


@dataclass(frozen=True, kw_only=True)
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
    warnings: tuple[str, ...] = ()  # what no check fails for, and a user should know all the same
    created: str = ""  # when, in ISO 8601 and UTC
    folder: str = field(default="", compare=False)  # where it lies now; not part of report.json

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status is not Status.FAILED for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.checks)

    def check(self, name: str) -> Check | None:
        """The check called `name`, or None where it was not made."""
        return find(self.checks, name)
