"""What came of exporting one architecture to one format: a line of docs/zoo.jsonl."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path

from export.files import write_whole
from export.memory import allowed

VERIFIED, REFUSED, FAILED = "verified", "refused", "failed"
TRACEBACK, STOPPED = "traceback", "stopped"  # for want of time or memory


@dataclass(frozen=True)
class Record:
    """One export; the last one of a model, a format and a converter is the one that counts."""

    model: str
    format: str
    verdict: str  # one of the words above
    _: KW_ONLY
    converter: str = ""  # another's, such as "tf2onnx"; empty: ours
    line: str = ""  # why it was refused, or which checks failed and why
    wall_s: float = 0.0  # of the whole process, imports included; 0 where it is not known
    peak_bytes: int = 0  # of the process tree
    together: bool = False  # with other formats, by one process: what they share counts in each
    artifact_bytes: int = 0  # about what the weights take; 0 where nothing was written
    error: float | None = None  # of the outputs, in standard deviations
    engines: int | None = None  # of TensorRT
    outside: str = ""  # operations outside of the engines
    engine_checked: bool | None = None  # on a GPU; None where there is no engine
    machine: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is of."""
        return self.model, self.format, self.converter

    def is_as_expected(self, refusal: str | None) -> bool:
        """Whether it was verified; or, where words of a `refusal` are given, refused in those."""
        if refusal is None:
            return self.verdict == VERIFIED
        return self.verdict == REFUSED and refusal in self.line

    @property
    def allowed_bytes(self) -> float:
        """The most memory that the process tree may take: 1 GB and 2.5 times the weights."""
        return allowed(self.artifact_bytes)


def read_records(path: Path) -> dict[tuple[str, str, str], Record]:
    """Return the last record of each key, in the order of the file; none where there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    records = (Record(**json.loads(line)) for line in lines)
    return {record.key: record for record in records}


def write_records(path: Path, records: Mapping | Iterable[Record]) -> None:
    """Write `records`, a line each; an interrupted study keeps those that it had."""
    found = records.values() if isinstance(records, Mapping) else records
    write_whole(path, "".join(json.dumps(asdict(one)) + "\n" for one in found))
