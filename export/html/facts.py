"""Facts for a page, read from the content of a report.json.

Reports of this process, of other versions and those that somebody edited are read alike, so nothing
is taken for granted: a value that is missing or of another type is left out and raises no error.
That there is one reader for all also means that a page shows nothing that report.json lacks.
"""

import math
from dataclasses import dataclass

from export.contract import called
from export.html.values import mapping, number, png, positive, sequence, text, texts, time

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
PARITY, ENGINE = "parity", "engine"
SYNTHETIC = "synthetic images"  # as the note of the check says
EXCEPT = "except"  # verified, all but the engine


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Errors of the outputs in standard deviations; `counts` lie between the `edges`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    values: int
    smaller: int
    median: float | None
    p99: float | None


@dataclass(frozen=True)
class Layer:
    """One layer, and the numbers that a check has for it, by what they are called."""

    name: str
    numbers: dict[str, float]
    words: dict[str, str]
    lost: tuple[str, ...] = ()  # numbers that were not finite, which JSON cannot hold


@dataclass(frozen=True)
class Power:
    """How many of the mutations that change the outputs a check caught."""

    caught: int
    of: int
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mutant:
    """One planted bug: how much it changes the outputs, and which checks noticed it."""

    name: str
    effect: float | None  # None where it is not finite
    caught_by: tuple[str, ...]
    note: str

    @property
    def fate(self) -> str:
        if self.caught_by:
            return f"caught by {', '.join(self.caught_by)}"
        return self.note or "not caught"


@dataclass(frozen=True)
class Bug:
    """The smallest real bug that the check must tell from noise."""

    size: float
    name: str = ""


@dataclass(frozen=True)
class Guess:
    """A class that a classifier predicts for a picture."""

    label: str
    probability: float  # 0 to 1


@dataclass(frozen=True)
class Picture:
    """One of the user's pictures, and the predictions of model and artifact, likeliest first."""

    name: str
    png: str  # the network's input as a small PNG in base64; empty if there is none
    model: tuple[Guess, ...]
    artifact: tuple[Guess, ...]

    @property
    def agrees(self) -> bool:
        return self.model[0].label == self.artifact[0].label


@dataclass(frozen=True, kw_only=True)
class Row:
    """A check."""

    name: str
    status: str
    measured: float | None
    allowed: float | None
    unit: str
    note: str
    noise: float | None = None
    bug: Bug | None = None
    power: Power | None = None
    errors: Histogram | None = None
    layers: tuple[Layer, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    pictures: tuple[Picture, ...] = ()
    scaled: bool = False  # whether it measures on a scale, rather than counts
    lost: bool = False  # whether it measured on a scale, and no finite value

    @property
    def room(self) -> float | None:
        """Return allowed / measured, or None if the check does not measure on a scale."""
        if not self.scaled or not self.measured or not self.allowed:
            return None
        return self.allowed / self.measured

    @property
    def beyond(self) -> bool:
        """Return whether the value is over its limit; a check may also fail for other reasons."""
        if self.lost:
            return True
        return self.scaled and self.measured is not None and self.measured > self.allowed


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A report."""

    model: str
    format: str
    passed: bool
    rows: tuple[Row, ...]
    bytes: float | None
    files: dict[str, str]
    note: str
    wall_s: float | None
    cpu_s: float | None
    peak_rss_bytes: float | None
    weights: dict[str, str]
    artifact: dict[str, str]
    options: dict[str, str]
    environment: dict[str, str]
    command: tuple[str, ...]
    warnings: tuple[str, ...]
    created: str  # when, in ISO 8601; empty if the report does not say
    called: str  # what is compared: logits, or another output

    def having(self, status: str) -> list[Row]:
        return [row for row in self.rows if row.status == status]

    @property
    def parity(self) -> Row | None:
        return next((row for row in self.rows if row.name == PARITY), None)

    @property
    def unasked_engine(self) -> Row | None:
        """The check of the engine if it was skipped: then all but the engine is verified."""
        return next((row for row in self.having(SKIPPED) if row.name == ENGINE), None)

    @property
    def synthetic(self) -> bool:
        """Whether no real picture is behind the ranges that activations are rounded by."""
        return any(row.name == "ranges" and SYNTHETIC in row.note for row in self.rows)

    @property
    def verdict(self) -> str:
        """`failed`, `except` the engine, or `passed`: by the checks, whatever the report claims."""
        if not self.passed:
            return FAILED
        return EXCEPT if self.unasked_engine else PASSED


def facts(content: dict) -> Facts:
    """Return the facts in `content`, the parsed report.json."""
    artifact, cost = mapping(content.get("artifact")), mapping(content.get("cost"))
    rows = tuple(_row(mapping(check)) for check in sequence(content.get("checks")))
    failed = any(row.status == FAILED for row in rows)
    return Facts(
        model=text(content.get("model")) or "unnamed",
        format=text(content.get("format")) or "unknown format",
        passed=bool(rows) and not failed and content.get("passed") is True,
        rows=rows,
        bytes=positive(artifact.get("bytes")),
        files=texts(artifact.get("files")),
        note=text(artifact.get("note")),
        wall_s=positive(cost.get("wall_s")),
        cpu_s=positive(cost.get("cpu_s")),
        peak_rss_bytes=positive(cost.get("peak_rss_bytes")),
        weights=texts(content.get("weights")),
        artifact={k: v for k, v in texts(artifact).items() if k not in ("bytes", "files", "note")},
        options=texts(content.get("options")),
        environment=texts(content.get("environment")),
        command=tuple(text(part) for part in sequence(content.get("command"))),
        warnings=tuple(filter(None, map(text, sequence(content.get("warnings"))))),
        created=time(content.get("created")),
        called=text(called(mapping(content.get("contract")))),
    )


def _row(check: dict) -> Row:
    detail = {**mapping(check.get("details")), **check}  # a fact may stand beside them or within
    measured, allowed = check.get("measured"), check.get("allowed")
    status = text(check.get("status"))
    scaled = _scaled(measured, allowed, status)
    lost = scaled and _lost(measured)
    return Row(
        name=text(check.get("name")) or "unnamed",
        status=status if status in (PASSED, SKIPPED) and not lost else FAILED,
        measured=number(measured),
        allowed=number(allowed),
        unit=text(check.get("unit")),
        note=text(check.get("note")),
        noise=positive(detail.get("noise")),
        bug=_bug(detail.get("smallest_bug")),
        power=_power(detail.get("power")),
        errors=_histogram(mapping(detail.get("errors"))),
        layers=tuple(_layers(detail.get("layers"))),
        mutants=tuple(_mutants(detail.get("mutants"))),
        pictures=tuple(_pictures(detail.get("pictures"))),
        scaled=scaled,
        lost=lost,
    )


def _pictures(entries):
    for entry in map(mapping, sequence(entries)):
        model, artifact = (tuple(_guesses(entry.get(key))) for key in ("model", "artifact"))
        if model and artifact:
            yield Picture(text(entry.get("name")), png(entry.get("png")), model, artifact)


def _guesses(entries):
    for entry in map(mapping, sequence(entries)):
        probability = positive(entry.get("probability"))
        if probability is not None and text(entry.get("label")):
            yield Guess(text(entry.get("label")), min(probability, 1.0))


def _scaled(measured, allowed, status: str) -> bool:
    # Counts are written as whole numbers, measurements never are, not even where they are 0.0.
    if (number(allowed) or 0) <= 0 or status == SKIPPED:
        return False
    return isinstance(allowed if measured is None else measured, float)


def _bug(value) -> Bug | None:
    entry = mapping(value) or {"measured": value}
    found = next((entry[k] for k in ("measured", "error", "size", "value") if k in entry), None)
    size = positive(found)
    return Bug(size, text(entry.get("name"))) if size else None


def _power(value) -> Power | None:
    entry = mapping(value)
    caught, of = number(entry.get("caught")), number(entry.get("of"))
    if caught is None or not of:
        return None
    missed = [mapping(m).get("name", m) for m in sequence(entry.get("missed"))]
    return Power(int(caught), int(of), tuple(filter(None, map(text, missed))))


def _histogram(entry: dict) -> Histogram | None:
    edges = [number(edge) for edge in sequence(entry.get("edges"))]
    counts = [positive(count) for count in sequence(entry.get("counts"))]
    if not counts or len(edges) != len(counts) + 1 or None in counts or None in edges:
        return None
    if edges[0] <= 0 or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        return None
    smaller = int(positive(entry.get("smaller")) or 0)
    values = int(positive(entry.get("values")) or sum(counts) + smaller)
    return Histogram(
        edges=tuple(edges),
        counts=tuple(int(count) for count in counts),
        values=values,
        smaller=smaller,
        median=positive(entry.get("median")),
        p99=positive(entry.get("p99")),
    )


def _layers(layers):
    if isinstance(layers, dict):  # by name
        layers = [{"name": name, **mapping(entry)} for name, entry in layers.items()]
    for entry in map(mapping, sequence(layers)):
        if name := text(entry.get("name") or entry.get("layer")):
            numbers = {text(k): number(v) for k, v in entry.items() if number(v) is not None}
            words = {text(k): v for k, v in entry.items() if isinstance(v, str) and v != name}
            yield Layer(name, numbers, words, tuple(text(k) for k in entry if _lost(entry[k])))


def _lost(value) -> bool:
    """Return whether `value` stands for a number that is not finite."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _mutants(entries):
    for entry in map(mapping, sequence(entries)):
        if name := text(entry.get("name")):
            caught_by = tuple(filter(None, map(text, sequence(entry.get("caught_by")))))
            effect = positive(entry.get("effect"))
            yield Mutant(name, effect, caught_by, text(entry.get("note")))
