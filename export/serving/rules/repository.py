"""Rules on the folders of models and versions: names, contents, hashes, permissions."""

import stat
from collections.abc import Iterator
from pathlib import Path

from export.errors import ArtifactError
from export.report.file import file_sha256
from export.serving import repository, savedmodel
from export.serving.ledger import FOLDERS, TF_SERVING
from export.serving.rules.base import Finding, Folder

CLOSED = "is readable by its owner alone, and the server runs as another user: chmod -R a+rX"


def names(folder: Folder) -> Iterator[Finding]:
    """Every version is a folder named by a number, because the server ignores all else."""
    for model in _models(folder):
        seen = {}
        for child in sorted(model.iterdir()):
            if child.name.startswith("."):
                continue
            if not repository.is_version(child.name):
                yield folder.finding(
                    child.relative_to(folder.path),
                    "is ignored: only folders whose name is a number are versions",
                )
            elif not child.is_dir():
                yield folder.finding(child.relative_to(folder.path), "is a file, not a version")
            elif int(child.name) in seen:
                yield folder.finding(
                    child.relative_to(folder.path),
                    f"is version {int(child.name)} a second time, beside {seen[int(child.name)]}",
                )
            else:
                seen[int(child.name)] = child.name
        if not seen:
            yield folder.finding(model.relative_to(folder.path), "has no version to load")


def contents(folder: Folder) -> Iterator[Finding]:
    """A version holds a SavedModel, and its variables where it has any."""
    for model in _models(folder):
        for version in repository.versions(model).values():
            name = version.relative_to(folder.path)
            if not (version / "saved_model.pb").is_file():
                deeper = sorted(version.glob("*/saved_model.pb"))
                where = f"; it lies one folder too deep, in {deeper[0].parent}" if deeper else ""
                yield folder.finding(name, f"does not load: it has no saved_model.pb{where}")
                continue
            try:
                signatures = savedmodel.read_signatures(version / "saved_model.pb")
                ops = savedmodel.read_ops(version / "saved_model.pb")
            except ArtifactError as error:
                yield folder.finding(name, f"does not load: {error}")
                continue
            if not signatures:
                yield folder.finding(name, "has no signature that a request could name")
            stored = ("variables/variables.index", "variables/variables.data-*")
            if "VarHandleOp" in ops and not all(any(version.glob(part)) for part in stored):
                yield folder.finding(name, "does not load: its variables are missing")


def pending(folder: Folder) -> Iterator[Finding]:
    """No run was killed while it published a version."""
    if folder.ledger and folder.ledger.pending:
        yield folder.finding(
            folder.ledger.pending.folder,
            "is of a run that is at work, or was killed: the next one takes it away",
        )


def hashes(folder: Folder) -> Iterator[Finding]:
    """Every version was verified, and has not changed since."""
    for model in folder.ledger.models if folder.ledger else ():
        for number, version in model.versions.items():
            place = folder.path / model.folder / str(number)
            if not place.is_dir():
                yield folder.finding(f"{model.folder}/{number}", "is in bundle.json and not here")
                continue
            for name, sha256 in version.files.items():
                path = f"{model.folder}/{number}/{name}"
                if (place / name).resolve() != place.resolve() / name:
                    yield folder.finding(path, "is a link, and leads out of what was verified")
                elif not (place / name).is_file():
                    yield folder.finding(path, "is missing")
                elif file_sha256(place / name) != sha256:
                    yield folder.finding(path, "has changed since it was published")
        for number in repository.versions(folder.path / model.folder):
            if number not in model.versions:
                yield folder.finding(
                    f"{model.folder}/{number}", "is not in bundle.json: nothing verified it"
                )


def permissions(folder: Folder) -> Iterator[Finding]:
    """The server may read what it serves, although it runs as another user."""
    for name in ("models.config", "batching_parameters.txt", "monitoring.config"):
        if _is_closed(folder.path / name):
            yield folder.finding(name, CLOSED)
    for model, number, version in folder.loaded():
        for path in (version.parent, version, *sorted(version.rglob("*"))):
            if _is_closed(path):
                yield folder.finding(
                    path.relative_to(folder.path),
                    f"{CLOSED}, so version {number} of {model.name} does not load",
                )
                break


def _is_closed(path: Path) -> bool:
    """Return whether only the owner can read `path`, or enter it."""
    if path.is_symlink() or not path.exists():
        return False
    mode = path.stat().st_mode
    wanted = 0o5 if stat.S_ISDIR(mode) else 0o4
    return mode & wanted != wanted


def _models(folder: Folder):
    parent = folder.path / FOLDERS[TF_SERVING]
    if not parent.is_dir():
        return []
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
