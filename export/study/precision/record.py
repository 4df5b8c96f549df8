"""What came of one network in one format: a line of docs/precision.jsonl."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

Key = tuple[str, str, str]  # network, format, converter


@dataclass(frozen=True, kw_only=True)
class Record:
    """One artifact; the last one of a network, a format and a converter is the one that counts.

    Errors are in standard deviations of the model's outputs; what was not measured is None.
    """

    network: str  # of the catalog, or DIGITS
    format: str
    verdict: str  # a word of export/study/zoo/record.py
    converter: str = ""  # another's, such as "tf2onnx"; empty: ours
    line: str = ""  # why it is not verified
    bytes: int = 0  # of what was written
    error: float | None = None  # of the artifact as it is
    allowed: float | None = None
    exact: float | None = None  # of its graph without what rounds
    exact_allowed: float | None = None
    equal: int | None = None  # first choices that are the model's, of those held out
    held_out: int | None = None
    kept: tuple[str, ...] = ()  # layers left in 32 bits
    wall_s: float = 0.0  # of the whole process, imports and verification included
    written_s: float | None = None  # of it until the artifact's files were whole; None: another's
    cpu_s: float | None = None  # of all its processes, as the report says; None: another's
    peak_bytes: int = 0  # of the process tree
    accuracy: float | None = None  # share of labelled pictures whose first choice is the label
    pictures: int | None = None  # that accuracy was measured on
    calibrated: int | None = None  # pictures that ranges were taken from
    load: float = 0.0  # of the machine as it began, over the last minute
    machine: str = ""

    @property
    def key(self) -> Key:
        """What it is of."""
        return self.network, self.format, self.converter


def read_records(path: Path) -> dict[Key, Record]:
    """Return the last record of each key, in the order of the file; none where there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    contents = (json.loads(line) for line in lines)
    records = (Record(**{**content, "kept": tuple(content["kept"])}) for content in contents)
    return {record.key: record for record in records}


def add_record(path: Path, record: Record) -> None:
    """Add a line, so that what was measured before is kept whatever happens next."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def of_report(report: Mapping) -> dict:
    """What a report.json says, as fields of a Record."""
    parity = next(check for check in report["checks"] if check["name"] == "parity")
    details = parity.get("details", {})
    exact, agreement = details.get("halves", {}).get("exact", {}), details.get("agreement", {})
    return {
        "bytes": report["artifact"]["bytes"],
        "error": parity["measured"],
        "allowed": parity["allowed"],
        "exact": exact.get("measured"),
        "exact_allowed": exact.get("allowed"),
        "equal": agreement.get("equal"),
        "held_out": agreement.get("of"),
        "kept": tuple(report["artifact"].get("kept", {})),
        "cpu_s": report["cost"]["cpu_s"],
        "calibrated": report.get("calibration", {}).get("count"),
    }
