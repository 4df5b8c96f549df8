"""An artifact on disk as its report describes it: read, judged, and compared with its hashes."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from export.errors import ArtifactError
from export.report import NAME as REPORT
from export.report import file_sha256, read_content

BATCH_SIZES = (1, 4, 8)  # of a report that states none
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Artifact:
    """What a verified report says of the files beside it."""

    folder: Path
    model: str
    format: str
    image: tuple[int, int, int]  # height, width, channels
    classes: int
    batch_sizes: tuple[int, ...]  # ascending; of TF-TRT, those its engine is built for
    files: dict[str, str]  # path below `folder`, with slashes -> sha256 in hex

    @property
    def is_tftrt(self) -> bool:
        return self.format.startswith("tftrt")

    @property
    def is_savedmodel(self) -> bool:
        return "1/saved_model.pb" in self.files


def read_artifact(folder: Path) -> Artifact:
    """Read `folder`/report.json.

    Raises ArtifactError where the report is missing, unreadable or of an artifact that failed its
    verification. Hashes are not compared here: see `verify_file`.
    """
    report = read_content(folder)
    try:
        if report["passed"] is not True:
            failed = [c["name"] for c in report["checks"] if c["status"] == "failed"]
            raise ArtifactError(
                f"{folder} failed its verification ({', '.join(failed) or 'no check named'}); "
                "export it again, only verified artifacts are served"
            )
        options = report["options"]
        artifact = Artifact(
            folder=folder,
            model=report["model"],
            format=str(report["format"]),
            image=tuple(int(side) for side in options["image"]),
            classes=int(options["classes"]),
            batch_sizes=tuple(sorted({int(n) for n in options.get("batch_sizes") or BATCH_SIZES})),
            files={str(k): str(v) for k, v in report["artifact"]["files"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        reason = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause)
        raise ArtifactError(f"{folder / REPORT} is no report: {reason}") from cause
    _check_names(artifact)
    return artifact


def check_name(name: str) -> str:
    """Return `name` if it can name a served model: a folder, and a part of a URL.

    Raises ValueError.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"a model's name is letters, digits, '_', '-' and '.', not first. Received: {name!r}"
        )
    return name


def verify_file(path: Path, sha256: str) -> None:
    """Raise ArtifactError unless the file at `path` hashes to `sha256`."""
    found = file_sha256(path)
    if found != sha256:
        raise ArtifactError(
            f"{path.name} is not what was verified (sha256 {found[:12]}, the report says "
            f"{sha256[:12]}); export it again"
        )


def _check_names(artifact: Artifact) -> None:
    """Raise ArtifactError where a report's values could not be served, or leave its folder."""
    try:
        check_name(artifact.model)
    except ValueError as cause:
        raise ArtifactError(f"{artifact.folder / REPORT}: {cause}") from cause
    if len(artifact.image) != 3 or min(artifact.image) < 1 or artifact.classes < 1:
        raise ArtifactError(
            f"{artifact.folder / REPORT} has no image (height, width, channels) and class count. "
            f"Received: {artifact.image}, {artifact.classes}"
        )
    if not artifact.files or artifact.batch_sizes[0] < 1:
        raise ArtifactError(f"{artifact.folder / REPORT} lists no files, or a batch of none")
    for name in artifact.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ArtifactError(f"{artifact.folder / REPORT} lists {name!r}, outside its folder")
