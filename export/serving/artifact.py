"""An artifact on disk as its report describes it: read, judged, and compared with its hashes."""

import math
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.errors import ArtifactError
from export.report.entries import RANDOM_WEIGHTS
from export.report.file import NAME as REPORT
from export.report.file import file_sha256, read_content
from export.results import BATCH_SIZES, Check, Status, Verdict, verdict_of
from export.serving.names import check_path
from export.serving.printable import printable

LARGEST_REQUEST = (1 << 31) - 1  # bytes; protobuf's messages end there
_FORMAT = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What a verified report says of the files beside it."""

    folder: Path
    model: str  # as the report has it: any text
    format: str
    image: tuple[int, int, int]  # height, width, channels
    classes: int
    batch_sizes: tuple[int, ...]  # ascending; of TF-TRT, those its engine is built for
    files: dict[str, str]  # path below `folder`, with slashes -> sha256 in hex
    bytes: int  # of all of them
    verdict: Verdict
    unchecked: tuple[str, ...]  # a sentence for each check that was skipped, with its reason
    warnings: tuple[str, ...]


def read_artifact(folder: Path) -> Artifact:
    """Read `folder`/report.json.

    Raises ArtifactError where the report is missing, unreadable, of an artifact that failed its
    verification, or lists names that are no paths below its folder. Hashes are not compared here:
    see `verify_files`.
    """
    content = read_content(folder)
    try:
        artifact = _artifact(folder, content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        reason = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause)
        raise ArtifactError(f"{folder / REPORT} is no report: {printable(reason)}") from cause
    _check_values(artifact)
    return artifact


def _artifact(folder: Path, content: dict) -> Artifact:
    checks = tuple(_check(entry) for entry in content["checks"])
    verdict = verdict_of(checks)
    if content["passed"] is not True or verdict is Verdict.NOT_VERIFIED:
        failed = [check.name for check in checks if check.status is Status.FAILED]
        raise ArtifactError(
            f"{folder} failed its verification ({', '.join(failed) or 'no check named'}); "
            "export it again, only verified artifacts are served"
        )
    options = content["options"]
    return Artifact(
        folder=folder,
        model=content["model"],
        format=content["format"],
        image=tuple(int(side) for side in options["image"]),
        classes=int(options["classes"]),
        batch_sizes=tuple(sorted({int(n) for n in options.get("batch_sizes") or BATCH_SIZES})),
        files={check_path(k): str(v) for k, v in content["artifact"]["files"].items()},
        bytes=int(content["artifact"].get("bytes", 0)),
        verdict=verdict,
        unchecked=tuple(
            printable(
                f"{check.name} was never checked: {check.note or 'the report gives no reason'}"
            )
            for check in checks
            if check.status is Status.SKIPPED
        ),
        warnings=_warnings(content),
    )


def _check(entry: dict) -> Check:
    return Check(
        printable(str(entry["name"])), Status(entry["status"]), note=str(entry.get("note", ""))
    )


def _warnings(content: dict) -> tuple[str, ...]:
    """Return the report's warnings; random weights are one, also in reports of schema 1."""
    warnings = tuple(printable(str(warning)) for warning in content.get("warnings", ()))
    random = str(content["weights"]["source"]).startswith("seeded:")
    if random and not any(warning.startswith("random weights") for warning in warnings):
        return (RANDOM_WEIGHTS, *warnings)
    return warnings


def verify_file(path: Path, sha256: str) -> None:
    """Raise ArtifactError unless the file at `path` hashes to `sha256`."""
    try:
        found = file_sha256(path)
    except FileNotFoundError as cause:
        raise ArtifactError(f"{path} went away while it was read; run this again") from cause
    if found != sha256:
        raise ArtifactError(
            f"{path.name} is not what was verified (sha256 {found[:12]}, the report says "
            f"{printable(sha256[:12])}); export it again"
        )


def verify_files(artifact: Artifact, names: Iterable[str]) -> None:
    """Raise ArtifactError unless each of `names` is a file of the artifact's own, as verified.

    Links and pipes are none, nor is what lies behind a linked folder.
    """
    for name in names:
        path = artifact.folder
        for part in name.split("/"):
            path = path / part
            _refuse_link(path)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ArtifactError(f"{path} is no regular file; export it again")
        verify_file(path, artifact.files[name])


def _refuse_link(path: Path) -> None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise ArtifactError(f"{path} is in the report and not on disk; export it again") from cause
    if stat.S_ISLNK(found.st_mode):
        raise ArtifactError(
            f"{path} is a link, and only an artifact's own files are served; export it again"
        )


def _check_values(artifact: Artifact) -> None:
    """Raise ArtifactError where a report's values could not be served."""
    report, image, batch_sizes = artifact.folder / REPORT, artifact.image, artifact.batch_sizes
    if not isinstance(artifact.format, str) or not _FORMAT.fullmatch(artifact.format):
        raise ArtifactError(f"{report} names no format. Received: {artifact.format!r:.80}")
    if len(image) != 3 or min(image) < 1 or artifact.classes < 1:
        raise ArtifactError(
            f"{report} has no image (height, width, channels) and class count. "
            f"Received: {image}, {artifact.classes}"
        )
    if not artifact.files or batch_sizes[0] < 1:
        raise ArtifactError(f"{report} lists no files, or a batch of none")
    if 4 * batch_sizes[-1] * max(math.prod(image), artifact.classes) > LARGEST_REQUEST:
        raise ArtifactError(
            f"{report} has batches of more than 2 GB, where protobuf ends; export it with smaller "
            f"--batch-sizes. Received: {f'{batch_sizes[-1]} images {image}':.120}"
        )
