"""A report as report.json, and back."""

import hashlib
import json
import math
import os
import platform
import stat
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timezone
from importlib import metadata
from itertools import chain, islice
from pathlib import Path

from export.contract import Contract
from export.errors import ArtifactError
from export.files import open_regular, read_bounded, write_whole
from export.lanes import LANES
from export.results import Check, Cost, Report, Status

SCHEMA = 2  # of what is written
READS = (1, 2)  # schema 1 has neither `verdict`, `warnings` nor `created`
NAME = "report.json"
PAGE = "report.html"
EMPTY = ("1/assets/",)  # TensorFlow makes it, and older versions of this toolkit left it
NOTES_OF_OTHERS = (".DS_Store", "Thumbs.db", "desktop.ini")  # of file managers
KINDS_OF_FILES = {stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
CHUNK = 1 << 20
LARGEST = 32 << 20  # bytes of a report.json; ours have some tens of thousands
LOOKED = 500  # folders looked at for one to suggest; below one of pictures there may be a million
LONGEST = 200  # characters of a name of a model or a format
PACKAGES = (
    "keras-nets",
    "tensorflow",
    "keras",
    "numpy",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
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
CHECK = {"name": str, "status": str, "unit": str, "note": str, "details": dict}
COST = {"wall_s": float, "cpu_s": float, "peak_rss_bytes": int}


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def as_dict(report: Report) -> dict:
    """The content of report.json."""
    return {
        "schema": SCHEMA,
        "model": report.model,
        "format": report.format,
        "passed": report.passed,
        "verdict": report.verdict.value,
        "warnings": list(report.warnings),
        "created": report.created,
        **({"model_source": report.model_source} if report.model_source else {}),
        **({"compression": report.compression} if report.compression else {}),
        "weights": report.weights,
        **({"calibration": report.calibration} if report.calibration else {}),
        "options": report.options,
        **({"contract": report.contract} if report.contract else {}),
        "artifact": report.artifact,
        "checks": [_check(check) for check in report.checks],
        "cost": asdict(report.cost),
        "environment": report.environment,
        "command": list(report.command),
    }


def _check(check: Check) -> dict:
    entry = {**asdict(check), "status": check.status.value}
    if check.measured is not None and not math.isfinite(check.measured):
        entry["measured"] = None  # JSON has no infinity; the note says what was found
    if not check.details:
        del entry["details"]
    return entry


def write_report(report: Report, folder: Path) -> None:
    """Write report.json into `folder`, whole."""
    write_whole(folder / NAME, json.dumps(as_dict(report), indent=1) + "\n")


def read_content(folder: Path) -> dict:
    """Return the content of the report.json in `folder`, of a schema that this toolkit reads.

    Every reader of reports begins here. Raises ArtifactError, in one line and at once, where there
    is none, or something else lies in its place, however large or deeply nested.
    """
    path = Path(folder) / NAME
    try:
        content = json.loads(read_bounded(path, LARGEST))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(_without_report(Path(folder))) from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise ArtifactError(f"{path} is not a report: it is nested without end") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is not a report: {error}; export it again") from error
    if not isinstance(content, dict) or "schema" not in content:
        raise ArtifactError(f"{path} is not a report: it names no schema; export it again")
    if content["schema"] not in READS:
        raise ArtifactError(
            f"{path} is of schema {shortened(content['schema'])}, and this toolkit reads "
            f"{' and '.join(map(str, READS))}; export it again"
        )
    return content


def _without_report(folder: Path) -> str:
    """What is wrong with `folder`, which has no report, and one below it that has."""
    if not folder.exists():
        return f"{folder} is not there; name a folder that tools/export.py wrote"
    if not folder.is_dir():
        return f"{folder} is a file; name a folder that tools/export.py wrote"
    near = _report_near(folder)
    such_as = f", such as {near}" if near else ""
    return f"{folder} has no {NAME}; name a folder that tools/export.py wrote{such_as}"


def _report_near(folder: Path) -> Path | None:
    """A folder one or two below `folder` that has a report, if one is among the first `LOOKED`."""
    below = islice(chain(folder.glob("*"), folder.glob("*/*")), LOOKED)
    try:
        return next((path for path in below if (path / NAME).is_file()), None)
    except OSError:  # it may not be read, or changes meanwhile; the hint is worth no error
        return None


def holds_report(folder: Path) -> bool:
    """Tell whether `folder` has a report.json that this toolkit reads; it looks at nothing else."""
    if not os.path.lexists(folder / NAME):
        return False
    try:
        read_content(folder)
    except ArtifactError:
        return False
    return True


def read_report(folder: Path) -> Report:
    """Read the report.json in `folder`; raise ArtifactError where there is none to read."""
    content = read_content(folder)
    try:
        options = {key: kind for key, kind in OPTIONS.items() if key in content["options"]}
        _check_kinds(content, {**KINDS, "options": options, "cost": COST})
        _check_entries(content)
        return replace(from_dict(content), folder=str(folder))
    except (ValueError, KeyError, TypeError) as error:
        why = shortened(error)
        raise ArtifactError(
            f"{Path(folder) / NAME} is not a report: {why}; export it again"
        ) from error


def shortened(value, most: int = 120) -> str:
    """`value` as Python prints it, cut to `most` characters."""
    printed = repr(value)
    return printed if len(printed) <= most else f"{printed[:most]}..."


def _check_kinds(content: dict, kinds: dict) -> None:
    """Raise TypeError where an entry of `content` is of another kind than `kinds` says."""
    for key, kind in kinds.items():
        value = content[key]
        fits = _is_number(value, kind) if kind in (int, float) else isinstance(value, _plain(kind))
        if not fits:
            raise TypeError(f"{key} is {shortened(value)}")
        if kind is str and len(value) > LONGEST and key in ("model", "format"):
            raise TypeError(f"{key} is a text of {len(value)} characters")
        if isinstance(kind, dict):
            _check_kinds(value, kind)
        if kind is list and key in OPTIONS and not all(_is_number(n, int) for n in value):
            raise TypeError(f"{key} is {shortened(value)}")


def _check_entries(content: dict) -> None:
    """Raise TypeError where a check, a file or a warning is not what it is written as."""
    for check in content["checks"]:
        if not isinstance(check, dict):
            raise TypeError(f"a check is {shortened(check)}")
        _check_kinds(check, {key: kind for key, kind in CHECK.items() if key in check})
        for key in ("measured", "allowed"):
            if not (check.get(key) is None or _is_number(check[key], float)):
                raise TypeError(f"{key} of a check is {shortened(check[key])}")
    for key, texts in (
        ("files", content["artifact"]["files"].values()),
        ("warnings", content.get("warnings", [])),
        ("command", content["command"]),
    ):
        if not (isinstance(texts, Iterable) and all(isinstance(text, str) for text in texts)):
            raise TypeError(f"{key} is {shortened(texts)}")
    if "contract" in content:
        Contract.from_dict(content["contract"])
    for key, kind in (("created", str), ("model_source", dict), ("compression", dict)):
        if not isinstance(content.get(key, kind()), kind):
            raise TypeError(f"{key} is {shortened(content[key])}")


def _plain(kind) -> type:
    return dict if isinstance(kind, dict) else kind


def _is_number(value, kind: type) -> bool:
    """Tell a number that a float can hold; JSON's `true` is none."""
    if isinstance(value, bool) or not isinstance(value, int | kind):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def reports_below(folder: Path) -> list[Path]:
    """The folders below `folder`, itself included, that hold a report.json, in order.

    Hidden folders, such as the one that exports are made in, are left out.
    """
    found = []
    for above, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if NAME in files:
            found.append(Path(above))
    return found


def from_dict(content: dict) -> Report:
    """The report that `as_dict` made `content` of; its folder is unknown."""
    return Report(
        model=content["model"],
        format=content["format"],
        checks=tuple(Check(**{**c, "status": Status(c["status"])}) for c in content["checks"]),
        weights=content["weights"],
        artifact=content["artifact"],
        options=content["options"],
        cost=Cost(**content["cost"]),
        environment=content["environment"],
        command=tuple(content["command"]),
        warnings=tuple(content.get("warnings", ())),
        calibration=content.get("calibration") or {},
        contract=content.get("contract", {}),
        created=content.get("created", ""),
        model_source=content.get("model_source", {}),
        compression=content.get("compression", {}),
    )


def artifact_entries(folder: Path) -> tuple[dict[str, int], dict[str, str]]:
    """What lies in `folder` beside its report, by paths with slashes; no link is followed.

    Returns the size of every regular file, and what is wrong with whatever is neither such a file
    nor a folder that leads to one.
    """
    files, strange, todo = {}, {}, [""]
    while todo:
        below = todo.pop()
        try:
            entries = sorted(os.scandir(folder / below), key=lambda entry: entry.name)
        except OSError as error:
            strange[below or "."] = f"cannot be read: {error.strerror}"
            continue
        if not entries and below and below not in EMPTY:
            strange[below] = "is an empty folder"
        for entry in entries:
            path, found = f"{below}{entry.name}", entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                todo.append(f"{path}/")
            elif not stat.S_ISREG(found.st_mode):
                strange[path] = f"is a {KINDS_OF_FILES.get(stat.S_IFMT(found.st_mode), 'device')}"
            elif path not in (NAME, PAGE):
                files[path] = found.st_size
    return files, strange


def unlisted(folder: Path) -> list[str]:
    """What lies in the folder of an artifact that its report does not list, in order.

    Empty folders and the notes of file managers are left out. Raises ArtifactError where there is
    no report to read.
    """
    artifact = read_content(folder).get("artifact")
    listed = artifact.get("files") if isinstance(artifact, dict) else None
    files, strange = artifact_entries(folder)
    found = [*files, *(path for path in strange if not path.endswith("/"))]
    known = {*NOTES_OF_OTHERS, *(listed if isinstance(listed, dict) else ())}
    return sorted(path for path in found if path not in known and Path(path).name not in known)


def artifact_files(folder: Path) -> dict[str, str]:
    """sha256 of every file of the artifact in `folder`, by its path with slashes."""
    return {name: file_sha256(folder / name) for name in sorted(artifact_entries(folder)[0])}


def describe_artifact(folder: Path) -> dict:
    """The `artifact` entry of a report: bytes in all, and the hash of every file."""
    sizes, _ = artifact_entries(folder)
    return {"bytes": sum(sizes.values()), "files": artifact_files(folder)}


def file_sha256(path: Path) -> str:
    """sha256 of a regular file; ArtifactError for what is none, such as a pipe, at once."""
    sha = hashlib.sha256()
    with open_regular(path) as file:
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
