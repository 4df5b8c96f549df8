"""Find what is wrong with a serving folder before a server fails, or silently ignores it."""

from pathlib import Path

from export.errors import ExportError
from export.printable import printable
from export.serving.ledger import FILE, FOLDERS
from export.serving.rules import batching, configs, manifests, pods, repository, triton, warmup
from export.serving.rules.base import Finding, Folder

RULES = (
    configs.models,
    configs.versions,
    configs.labels,
    configs.flags,
    configs.monitoring,
    repository.names,
    repository.contents,
    repository.permissions,
    repository.pending,
    repository.hashes,
    batching.server,
    batching.versions,
    warmup.place,
    warmup.records,
    manifests.images,
    manifests.gpus,
    manifests.config_map,
    manifests.mounts,
    pods.engines,
    pods.readiness,
    pods.rights,
    pods.storage,
    pods.service_names,
    pods.kustomization,
    manifests.stale,
    manifests.leftovers,
    triton.models,
)


def lint(path: Path) -> list[Finding]:
    """Return what is wrong with the serving folder `path`, in the order of RULES; [] if nothing is.

    Raises ExportError if it is no serving folder.
    """
    parts = (FILE, "models.config", *FOLDERS.values())
    if not any((path / part).exists() for part in parts):
        raise ExportError(f"{path} is no serving folder: it has none of {', '.join(parts)}")
    folder = Folder(path)
    found = [finding for rule in RULES for finding in rule(folder)]
    return folder.broken + found


def remarks(path: Path) -> list[str]:
    """Return what the reports said of the versions that servers load, which is nothing wrong."""
    ledger = Folder(path).ledger
    return [
        printable(f"{path / model.folder / str(number)}: {remark}", None)
        for model in (ledger.models if ledger else ())
        for number, version in model.loaded.items()
        for remark in version.remarks
    ]
