"""Add a verified artifact to a folder that serves.

Everything is staged and renamed under a lock; nothing of another model, of an older version or of
a person's edits is lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from export.errors import ExportError
from export.report import file_sha256
from export.serving import compose, configs, kubernetes, repository, triton
from export.serving.artifact import Artifact, check_name, read_artifact
from export.serving.ledger import (
    FILE,
    TF_SERVING,
    TRITON,
    Ledger,
    Model,
    Version,
    as_json,
    hash_text,
    read_ledger,
)
from export.serving.version import fill
from export.signatures.labels import read_labels

LOCK = ".lock"
LOCK_S = 60


@dataclass(frozen=True)
class Added:
    """One version, published."""

    server: str
    model: str
    version: int
    folder: Path
    how: str  # reflink, hard link or copy
    warmup_records: int
    beside: tuple[Path, ...]  # new text, written beside a file that was edited by hand
    canary_before: int | None = None  # the version that loses the label, which takes a restart


def add(
    source: Path,
    to: Path,
    *,
    name: str | None = None,
    server: str | None = None,
    labels: Path | None = None,
    root: str | None = None,
    keep_edits: bool = False,
) -> Added:
    """Publish the artifact in the folder `source` as the next version of a model below `to`.

    Args:
        name: what clients call it; by default the artifact's model.
        server: "tf-serving" or "triton"; by default Triton for ONNX.
        labels: a text file with a line for each class.
        root: where the server sees `to`; kept from the first time, "/bundle" at first.
        keep_edits: write FILE.new beside a generated file that was edited, instead of refusing.

    Raises ExportError, with nothing changed, where the artifact failed its verification or is not
    what was verified, the model is served with other images or classes, or a file was edited.
    """
    artifact = read_artifact(source)
    name = check_name(name or artifact.model)
    server = server or (TF_SERVING if artifact.is_savedmodel else TRITON)
    _refuse_server(artifact, server)
    lines = read_labels(labels, artifact.classes) if labels else None

    with _locked(to):
        ledger = _open(to, root)
        known = ledger.find(server, name)
        _refuse_another_contract(known, artifact)
        folder = to / Model(name, server, 0, 0, {}).folder
        number = repository.next_version(folder)
        with repository.stage(to) as staged:
            filled = fill(staged, artifact, server, name, lines)
            ledger = ledger.put(_with_version(known, name, server, number, filled.version))
            files = render(ledger)
            edited = _edits(to, ledger, files, keep_edits)
            repository.publish(staged, folder / str(number))
        beside = _write(to, ledger, files, edited)
    loses = known.canary if known and known.canary != known.stable else None
    return Added(
        server, name, number, folder / str(number), filled.how, filled.warmup_records, beside, loses
    )


def promote(to: Path, name: str, *, keep_edits: bool = False) -> Model:
    """Make the canary of the model `name` its stable version, on every server that has it.

    Raises ExportError where no such model is served, or a file was edited.
    """
    if read_ledger(to) is None:
        raise ExportError(f"{to} is no serving folder; name one that tools/bundle.py wrote")
    with _locked(to):
        ledger = _open(to, None)
        found = [model for model in ledger.models if model.name == name]
        if not found:
            known = ", ".join(sorted({m.name for m in ledger.models})) or "nothing"
            raise ExportError(f"{to} serves no model {name!r}; it serves {known}")
        for model in found:
            ledger = ledger.put(replace(model, stable=model.canary))
        files = render(ledger)
        _write(to, ledger, files, _edits(to, ledger, files, keep_edits))
    return replace(found[0], stable=found[0].canary)


def render(ledger: Ledger) -> dict[str, str]:
    """Return every generated file as path below the folder -> text, in the order to write them.

    Raises ExportError where the models cannot share a server.
    """
    files = {}
    if ledger.on(TF_SERVING):
        sizes = configs.shared_batch_sizes(ledger)
        files["batching_parameters.txt"] = configs.batching_parameters(sizes)
        files["monitoring.config"] = configs.monitoring_config()
        files["models.config"] = configs.models_config(ledger)
        files[compose.FILE] = compose.compose(ledger)
        files |= kubernetes.manifests(ledger, files)
    for model in ledger.on(TRITON):
        files[f"{model.folder}/{triton.FILE}"] = triton.model_config(model)
    return files


@contextmanager
def _locked(to: Path) -> Iterator[None]:
    to.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(to / LOCK, timeout=LOCK_S):
            yield
    except Timeout as cause:
        raise ExportError(f"another process has been writing to {to} for {LOCK_S} s") from cause


def _open(to: Path, root: str | None) -> Ledger:
    ledger = read_ledger(to) or Ledger()
    if root is None:
        return ledger
    if not root.startswith("/") or not root.strip("/") or ":" in root:
        raise ValueError(
            f"the server sees the folder at an absolute path, below / and without ':', such as "
            f"/bundle. Received: {root!r}"
        )
    return replace(ledger, root=root.rstrip("/"))


def _edits(to: Path, ledger: Ledger, files: dict[str, str], keep: bool) -> tuple[str, ...]:
    """Return the files that would be replaced and that no run of this wrote.

    Raises ExportError where there are some, unless they are to be kept.
    """
    edited = tuple(
        name
        for name, text in files.items()
        if (to / name).is_file()
        and file_sha256(to / name) not in (*ledger.generated.get(name, ()), hash_text(text))
    )
    if edited and not keep:
        raise ExportError(
            f"{', '.join(edited)} in {to} was edited by hand; --keep-edits leaves it and writes "
            "the new text beside it as .new, or delete it to have it written again"
        )
    return edited


def _refuse_server(artifact: Artifact, server: str) -> None:
    if server == TF_SERVING and not artifact.is_savedmodel:
        raise ExportError(
            f"TF Serving loads SavedModels, and {artifact.folder} is {artifact.format}; "
            "use --server triton"
        )
    if server == TRITON and artifact.is_tftrt:
        raise ExportError(
            f"Triton after 25.02 has no TensorFlow, and {artifact.format} in older ones is "
            "untried; serve it with TF Serving, or export --format onnx for Triton"
        )


def _refuse_another_contract(known: Model | None, artifact: Artifact) -> None:
    if known is None:
        return
    last = known.versions[known.canary]
    if (last.image, last.classes) != (artifact.image, artifact.classes):
        raise ExportError(
            f"clients of {known.name} send images {last.image} and get {last.classes} classes; "
            f"this artifact has {artifact.image} and {artifact.classes}; give it another --name"
        )


def _with_version(known: Model | None, name, server, number: int, version: Version) -> Model:
    if known is None:
        return Model(name, server, number, number, {number: version})
    return replace(known, canary=number, versions={**known.versions, number: version})


def _write(to: Path, ledger: Ledger, files: dict[str, str], edited) -> tuple[Path, ...]:
    """Write the ledger, then the generated files; return those written beside an edited one."""
    ledger = ledger.generate({name: text for name, text in files.items() if name not in edited})
    repository.write_file(to / FILE, as_json(ledger))
    beside = []
    for name, text in files.items():
        path = to / name
        if name in edited:
            path = path.with_name(f"{path.name}.new")
            beside.append(path)
        repository.write_file(path, text)
    return tuple(beside)
