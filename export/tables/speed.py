"""Table C: how fast each artifact is, from what `tools/benchmark.py --json` measured.

Milliseconds are medians for a batch. What others have published stands in columns of its own.
"""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

from export.errors import ArtifactError
from export.files import read_bounded

LARGEST = 64 << 20  # bytes of a file of records
NUMBERS = ("batch", "median_ms", "p90_ms", "p99_ms", "load_s", "first_ms")


def read_records(path: Path) -> list[dict]:
    """The records of a file with an object a line; raises ArtifactError in one line."""
    records = []
    try:
        lines = read_bounded(path, LARGEST).decode("utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                records.append(_record(json.loads(line), path, number))
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is not what tools/benchmark.py --json prints: {error}"
        ) from error
    return records


def _record(content, path: Path, number: int) -> dict:
    if not isinstance(content, dict) or not isinstance(content.get("model"), str):
        raise ValueError(f"line {number} names no model")
    for key in NUMBERS:
        value = content.get(key)
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value)):
            raise ValueError(f"line {number} has {key} {value!r:.40}")
    return content


HEADER_START = ("network", "format", "runtime", "device")


def speed_table(records: Iterable[dict], published: dict[str, dict[str, float]]):
    """Header, alignment and rows of cells: measured medians by batch, then what was published.

    `published` holds, for each network, a column's name and its milliseconds.
    """
    records = list(records)
    batches = sorted({record["batch"] for record in records if record.get("batch")})
    columns = list(dict.fromkeys(name for row in published.values() for name in row))
    header = (*HEADER_START, *(f"batch {n}, ms" for n in batches), *columns)
    names = [*published, *(record["model"] for record in records)]
    order = {name: at for at, name in reversed(list(enumerate(names)))}.__getitem__
    grouped: dict[tuple, dict] = {}
    for record in records:
        key = tuple(str(record.get(name, "")) for name in ("model", "format", "runtime", "device"))
        grouped.setdefault(key, {})[record.get("batch")] = record
    for model in published.keys() - {key[0] for key in grouped}:
        grouped[model, "", "not measured here", ""] = {}
    rows, last = [], None
    for key, found in sorted(grouped.items(), key=lambda item: order(item[0][0])):
        known = {} if key[0] == last else published.get(key[0], {})  # once for each network
        last = key[0]
        rows.append(
            [
                *key,
                *(_cell(found.get(batch)) for batch in batches),
                *(_number(known.get(name)) for name in columns),
            ]
        )
    return header, "llll" + "r" * (len(batches) + len(columns)), rows


def _cell(record: dict | None) -> str:
    """The median, with a question mark where it is in doubt; why there is none."""
    if record is None:
        return ""
    median = record.get("median_ms")
    if median is None:
        return record.get("why") or "not measured"
    return f"{median:.3g}" if record.get("valid") else f"{median:.3g} ?"


def _number(value: float | None) -> str:
    return "" if value is None else str(value)  # as it was published


# Ours -> the names that timm's benchmark files have for the same.
TIMM = {
    "model": "model",
    "images_per_s": "infer_samples_per_sec",
    "median_ms": "infer_step_time",
    "batch": "infer_batch_size",
}


def as_csv(records: list[dict]) -> str:
    """The records as a table, under timm's names of columns where it has some."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    columns = [name for name in columns if name != "machine"]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([TIMM.get(name, name) for name in columns] + ["machine"])
    for record in records:
        machine = json.dumps(record.get("machine", {}))
        rows.writerow(["" if record.get(n) is None else record.get(n) for n in columns] + [machine])
    return text.getvalue()
