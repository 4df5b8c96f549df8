"""What the steps of an export hand to each other."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum

MIN_AGREEMENT = 0.98  # share of the images held out whose first choice an artifact must give
BATCH_SIZES = (1, 4, 8)  # that a server will use, unless others are asked for
IMPLICIT, EXPLICIT = "implicit", "explicit"  # how an engine of TF-TRT has its batch


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How far logits may be off: a multiple of the network's own noise, kept between two limits.

    All numbers but `margin` are in standard deviations of the logits.
    """

    kind: str  # of noise: an attribute of export.observe.noise.Noise
    margin: float
    smallest: float
    largest: float
    fixed: float  # allowed where no noise could be measured
    source: str  # of the noise, in words


# The margins are from measurements: on the eight networks ONNX Runtime is off by 0.9 to 1.3 times
# what shuffled sums move, and an FP16 engine of VGG13 on an H100 by 1.0 times what simulated
# rounding moves (docs/gate_power.md). What the shuffling does not reach, such as the mean over a
# whole image, moves the logits of shallow networks by up to 7e-6.
REORDERED = Rule(
    kind="fp32",
    margin=8.0,
    smallest=2e-5,
    largest=1e-2,
    fixed=1e-4,
    source="sums made in another order",
)
# TF32, in which a GPU computes FP32 engines, has the mantissa of float16.
ROUNDED = Rule(
    kind="fp16",
    margin=4.0,
    smallest=1e-3,
    largest=0.5,
    fixed=5e-2,
    source="weights and activations rounded to 11 bits",
)
QUANTISED = Rule(
    kind="int8",
    margin=4.0,
    smallest=2e-2,
    largest=2.0,
    fixed=0.25,
    source="weights and what they are applied to rounded to 8 bits",
)


class Status(str, Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # and the note says why


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
    # No real picture is behind the ranges that its activations are rounded by.
    SYNTHETIC = "verified, with ranges from synthetic images"
    NOT_VERIFIED = "not verified"


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The verdict that `checks` amount to."""
    checks = tuple(checks)
    status = {check.name: check.status for check in checks}
    if Status.FAILED in status.values():
        return Verdict.NOT_VERIFIED
    if status.get("engine") is Status.SKIPPED:
        return Verdict.EXCEPT_ENGINE
    ranges = find(checks, "ranges")
    if ranges is not None and ranges.details.get("synthetic"):
        return Verdict.SYNTHETIC
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
    calibration: dict = field(default_factory=dict)  # where ranges are from; empty: there are none
    command: tuple[str, ...] = ()
    contract: dict = field(default_factory=dict)  # inputs and outputs; see export/contract.py
    warnings: tuple[str, ...] = ()  # what no check fails for, and a user should know all the same
    created: str = ""  # when, in ISO 8601 and UTC
    model_source: dict = field(default_factory=dict)  # how to build the model; empty: only Python
    compression: dict = field(default_factory=dict)  # what was done to the model; empty: nothing
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
