"""An artifact as its report describes it, as far as evaluating it goes."""

import json
from dataclasses import dataclass
from pathlib import Path

from export.errors import ArtifactError
from export.formats import find_format
from export.formats.base import Opened
from export.report.file import NAME, read_report


@dataclass(frozen=True)
class Exported:
    folder: Path
    model: str
    format: str
    image: tuple[int, int, int]  # height, width, channels
    classes: int
    flavour: str
    weights: str  # where they came from: seeded:0, or a file
    weights_sha256: str
    passed: bool
    identity: str  # of the files: changes when they do

    @property
    def origin(self) -> tuple:
        """Equal for artifacts of the same Keras model."""
        return self.model, self.image, self.classes, self.flavour, self.weights_sha256


def read_exported(folder: Path) -> Exported:
    """Read `folder`/report.json.

    Raises ArtifactError where there is none, it does not say what is needed, or a file of the
    artifact is gone.
    """
    report = read_report(folder)
    try:
        height, width, channels = (int(size) for size in report.options["image"])
        return Exported(
            folder=folder,
            model=str(report.model),
            format=find_format(report.format).name,
            image=(height, width, channels),
            classes=int(report.options["classes"]),
            flavour=str(report.options["flavour"]),
            weights=str(report.weights["source"]),
            weights_sha256=str(report.weights["sha256"]),
            passed=report.passed,
            identity=_identity(folder, report.artifact["files"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        reason = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause)
        raise ArtifactError(f"{str(folder / NAME)!r} is of no use here: {reason}") from cause


def _identity(folder: Path, files: dict[str, str]) -> str:
    """The files' hashes as reported, with sizes and times, so that no change goes unseen."""
    facts = []
    for name, sha256 in sorted(files.items()):
        try:
            found = (folder / name).stat()
        except OSError as cause:
            raise ArtifactError(
                f"{str(folder / name)!r} is gone, which the report lists; export it again"
            ) from cause
        facts.append((name, sha256, found.st_size, found.st_mtime_ns))
    return json.dumps(facts)


def open_exported(exported: Exported) -> Opened:
    return find_format(exported.format).open(exported.folder)
