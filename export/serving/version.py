"""Fill the folder of one version: the artifact's files, warm-up, batch sizes."""

from dataclasses import dataclass
from pathlib import Path

from export.errors import ArtifactError
from export.files import write_whole
from export.report.artifact import Artifact, verify_file
from export.report.file import file_sha256
from export.serving import repository, warmup
from export.serving.formats import is_savedmodel
from export.serving.ledger import TF_SERVING, TRITON, Version
from export.serving.savedmodel import read_signatures
from export.serving.servers import configs

OWN = (warmup.FILE.as_posix(), configs.PER_VERSION)  # made here, below the version


@dataclass(frozen=True)
class Filled:
    """A version that is ready to be published."""

    version: Version
    how: str  # reflink, hard link or copy
    warmup_records: int


def served_files(artifact: Artifact, server: str) -> dict[str, str]:
    """Return the artifact's files that `server` needs: path in the artifact -> in the version.

    Raises ArtifactError if one of them has the path of a file that bundling writes, or if the
    server would not find the model.
    """
    savedmodel = is_savedmodel(artifact.format)
    below, model = ("1/", "saved_model.pb") if savedmodel else ("", "model.onnx")
    inside = "model.savedmodel/" if server == TRITON and savedmodel else ""
    placed = {
        name: inside + name.removeprefix(below) for name in artifact.files if name.startswith(below)
    }
    if server == TF_SERVING and (taken := sorted({*OWN} & {*placed.values()})):
        raise ArtifactError(
            f"{artifact.folder} lists {', '.join(taken)}, which bundling makes itself; "
            "export it again"
        )
    if below + model not in placed:
        raise ArtifactError(
            f"{artifact.folder} is {artifact.format}, and its report lists no {below}{model}; "
            "export it again"
        )
    return placed


def fill(staged: Path, artifact: Artifact, server: str, name: str) -> Filled:
    """Fill the empty folder `staged` with `artifact` for `server`.

    Raises ArtifactError if a file differs from what was verified, ExportError if a signature takes
    inputs that no request can hold.
    """
    how, files = _place(staged, artifact, served_files(artifact, server))
    size = sum((staged / path).stat().st_size for path in files)
    records = 0
    if server == TF_SERVING:
        signatures = read_signatures(staged / "saved_model.pb")
        descends = warmup.LARGEST_FIRST or not artifact.grows
        records = warmup.write_warmup(
            staged,
            name,
            signatures,
            artifact.batch_sizes,
            artifact.contract,
            largest_first=descends,
        )
        write_whole(staged / configs.PER_VERSION, configs.batching_parameters(artifact.batch_sizes))
        files |= {path: file_sha256(staged / path) for path in OWN}
    version = Version(
        format=artifact.format,
        contract=artifact.contract,
        batch_sizes=artifact.batch_sizes,
        bytes=size,
        files=files,
        verdict=artifact.verdict.value,
        remarks=(*artifact.warnings, *artifact.unchecked),
    )
    return Filled(version, how, records)


def _place(staged: Path, artifact: Artifact, placed: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Put the artifact's own files below `staged`; return how, and path -> sha256."""
    how, files = "", {}
    for name, path in placed.items():
        target = staged / path
        if not target.resolve().is_relative_to(staged.resolve()):
            raise ArtifactError(f"{name!r} would leave its folder; export it again")
        try:
            how = repository.place(artifact.folder / name, target)
        except FileNotFoundError as cause:
            raise ArtifactError(
                f"{artifact.folder / name} went away while it was read; run this again"
            ) from cause
        verify_file(target, artifact.files[name])  # what was placed, whatever the source does now
        files[path] = artifact.files[name]
    return how, files
