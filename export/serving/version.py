"""Fill the folder of one version: the artifact's files, warm-up, batch sizes, labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import ArtifactError
from export.report import file_sha256
from export.serving import configs, repository, warmup
from export.serving.artifact import Artifact, verify_file
from export.serving.ledger import TF_SERVING, TRITON, Version
from export.serving.savedmodel import read_signatures

LABELS = "assets.extra/labels.txt"  # below the version, so that a version keeps its own


@dataclass(frozen=True)
class Filled:
    """A version that is ready to be published."""

    version: Version
    how: str  # reflink, hard link or copy
    warmup_records: int


def fill(
    staged: Path, artifact: Artifact, server: str, name: str, labels: Sequence[str] | None
) -> Filled:
    """Fill the empty folder `staged` with `artifact` for `server`.

    Raises ArtifactError where a file is not what was verified, ExportError where a signature
    takes something that no warm-up is known for.
    """
    how, files = _place(staged, artifact, server)
    size = sum((staged / path).stat().st_size for path in files)
    made, records = [], 0
    if server == TF_SERVING:
        signatures = read_signatures(staged / "saved_model.pb")
        records = warmup.write_warmup(
            staged, name, signatures, artifact.batch_sizes, artifact.image
        )
        sizes = configs.batching_parameters(artifact.batch_sizes)
        repository.write_file(staged / configs.PER_VERSION, sizes)
        made += [warmup.FILE.as_posix(), configs.PER_VERSION]
    if labels:
        repository.write_file(staged / LABELS, "\n".join(labels) + "\n")
        made.append(LABELS)
    files |= {path: file_sha256(staged / path) for path in made}
    version = Version(
        artifact.format, artifact.image, artifact.classes, artifact.batch_sizes, size, files
    )
    return Filled(version, how, records)


def _place(staged: Path, artifact: Artifact, server: str) -> tuple[str, dict[str, str]]:
    """Put the artifact's own files below `staged`; return how, and path -> sha256."""
    below = "1/" if artifact.is_savedmodel else ""
    inside = "model.savedmodel/" if server == TRITON and artifact.is_savedmodel else ""
    how, files = "", {}
    for name, sha256 in artifact.files.items():
        if not name.startswith(below):
            continue
        source, path = artifact.folder / name, inside + name.removeprefix(below)
        if not source.is_file():
            raise ArtifactError(f"{source} is in the report and not on disk; export it again")
        how = repository.place(source, staged / path)
        verify_file(staged / path, sha256)  # what was placed, whatever happens to the source
        files[path] = sha256
    return how, files
