"""A report as report.json, and back."""

import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

from export.errors import ArtifactError
from export.lanes import LANES
from export.results import Check, Cost, Report, Status

SCHEMA = 1
NAME = "report.json"
PAGE = "report.html"
CHUNK = 1 << 20
PACKAGES = (
    "keras-nets",
    "tensorflow",
    "keras",
    "numpy",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "protobuf",
)
KINDS = {  # of what is read from a report's entries
    "model": str,
    "format": str,
    "weights": {"source": str, "sha256": str},
    "artifact": {"bytes": int, "files": dict},
    "options": dict,
    "checks": list,
    "environment": dict,
    "command": list,
}
OPTIONS = {"classes": int, "image": list, "flavour": str, "batch_sizes": list, "seed": int}


def as_dict(report: Report) -> dict:
    """The content of report.json."""
    return {
        "schema": SCHEMA,
        "model": report.model,
        "format": report.format,
        "passed": report.passed,
        "weights": report.weights,
        "options": report.options,
        "artifact": report.artifact,
        "checks": [_check(check) for check in report.checks],
        "cost": asdict(report.cost),
        "environment": report.environment,
        "command": list(report.command),
    }


def _check(check: Check) -> dict:
    told = {**asdict(check), "status": check.status.value}
    if check.measured is not None and not math.isfinite(check.measured):
        told["measured"] = None  # JSON has no infinity; the note says what was found
    if not check.details:
        del told["details"]
    return told


def write_report(report: Report, folder: Path) -> None:
    """Write report.json into `folder`, whole."""
    fresh = folder / f"{NAME}.partial"
    fresh.write_text(json.dumps(as_dict(report), indent=1) + "\n")
    os.replace(fresh, folder / NAME)  # noqa: PTH105


def read_report(folder: Path) -> Report:
    """Read the report.json in `folder`; raise ArtifactError where there is none to read."""
    path = Path(folder) / NAME
    try:
        told = json.loads(path.read_text())
        if told["schema"] != SCHEMA:
            raise ArtifactError(
                f"{path} is of schema {told['schema']!r}, and this toolkit reads {SCHEMA}; "
                "export it again"
            )
        options = {key: kind for key, kind in OPTIONS.items() if key in told["options"]}
        _check_kinds(told, {**KINDS, "options": options})
        return replace(from_dict(told), folder=str(folder))
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{folder} has no {NAME}; name a folder that tools/export.py wrote"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a report: {error!r}; export it again") from error


def _check_kinds(told: dict, kinds: dict) -> None:
    """Raise TypeError where an entry of `told` is of another kind than `kinds` says."""
    for key, kind in kinds.items():
        value = told[key]
        if not isinstance(value, dict if isinstance(kind, dict) else kind):
            raise TypeError(f"{key} is {value!r}")
        if isinstance(kind, dict):
            _check_kinds(value, kind)
        if kind is list and key in OPTIONS and not all(isinstance(n, int) for n in value):
            raise TypeError(f"{key} is {value!r}")


def from_dict(told: dict) -> Report:
    """The report that `as_dict` made `told` of; its folder is unknown."""
    return Report(
        told["model"],
        told["format"],
        tuple(Check(**{**c, "status": Status(c["status"])}) for c in told["checks"]),
        told["weights"],
        told["artifact"],
        told["options"],
        Cost(**told["cost"]),
        told["environment"],
        tuple(told["command"]),
    )


def artifact_files(folder: Path) -> dict[str, str]:
    """sha256 of every file of the artifact in `folder`, by its path with slashes."""
    own = (folder / NAME, folder / PAGE)
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in own
    }


def describe_artifact(folder: Path) -> dict:
    """The `artifact` entry of a report: bytes in all, and the hash of every file."""
    files = artifact_files(folder)
    return {"bytes": sum((folder / name).stat().st_size for name in files), "files": files}


def file_sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def environment(lane: str | None = None) -> dict:
    """Versions of everything that had a hand in an artifact, what a lane pins included."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # tensorflow may be installed as tensorflow-cpu
    if lane:
        pins = LANES[lane].pins
        found |= {f"{package} of {lane}": pins[package] for package in PACKAGES if package in pins}
    return found


def failures(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check.status is Status.FAILED]
