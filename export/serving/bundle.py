"""Add a verified artifact to a serving folder.

Everything is staged and renamed under a lock; other models, older versions and edits by hand are
kept. The ledger lists a version before its folder is there, so that the next run can clear away
what a killed run left.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from export.contract import Contract, in_words
from export.errors import ExportError
from export.files import write_whole
from export.locks import locked
from export.printable import printable
from export.report.artifact import Artifact, verify_files
from export.report.file import NAME as REPORT
from export.report.file import file_sha256, holds_report
from export.serving import repository
from export.serving.ledger import (
    FILE,
    TF_SERVING,
    TRITON,
    Ledger,
    Model,
    Pending,
    Version,
    hash_text,
    read_ledger,
    write_ledger,
)
from export.serving.names import check_root
from export.serving.servable import choose_name, choose_server, read_servable
from export.serving.servers import compose, configs, kubernetes, modelserver, triton
from export.serving.version import fill, served_files

LOCK = ".lock"
LOCK_S = 60


@dataclass(frozen=True, kw_only=True)
class Added:
    """One version, published."""

    server: str
    model: str
    version: int
    folder: Path
    how: str  # reflink, hard link or copy
    warmup_records: int
    verdict: str
    remarks: tuple[str, ...]  # the report's warnings, and what was never checked
    beside: tuple[Path, ...]  # new text, written beside a file that was edited by hand
    canary_before: int | None = None  # the version that loses the label, which takes a restart


def add(
    source: Path,
    to: Path,
    *,
    name: str | None = None,
    server: str | None = None,
    root: str | None = None,
    image: str | None = None,
    keep_edits: bool = False,
) -> Added:
    """Publish the artifact in the folder `source` as the next version of a model below `to`.

    Args:
        name: what clients call it; by default the artifact's model.
        server: "tf-serving" or "triton"; by default Triton for ONNX.
        root: where the server sees `to`; kept from the first time, "/bundle" at first.
        image: of TF Serving, with a tag, such as one with a digest; kept from the first time,
            "default" is the toolkit's choice again.
        keep_edits: write FILE.new beside a generated file that was edited, instead of refusing.

    Raises ExportError, with nothing changed, where the artifact failed its verification or is not
    what was verified, `to` is a folder of exports, the model is served with another contract, or a
    file was edited.
    """
    source, to = Path(source), Path(to)
    artifact = read_servable(source)
    name = choose_name(name, artifact)
    server = choose_server(server, artifact)
    _refuse_exports(source, to)
    _settle(Ledger(), root, image)  # refuses bad arguments before a folder is made
    verify_files(artifact, served_files(artifact, server))
    with locked(to / LOCK, patience=LOCK_S):
        before = _recover(to)
        ledger = _settle(before or Ledger(), root, image)
        known = ledger.find(server, name)
        _refuse_another_contract(known, artifact)
        folder = Model(name=name, server=server, stable=0, canary=0, versions={}).folder
        repository.refuse_links(to, folder)
        number = repository.next_version(to / folder)
        with repository.room(to, artifact.bytes), repository.stage(to) as staged:
            filled = fill(staged, artifact, server, name)
            ledger = ledger.put(_with_version(known, name, server, number, filled.version))
            files = render(ledger)
            edited = _edits(to, ledger, files, keep_edits)
            ledger = _knowing(ledger, files, edited)
            pending = Pending(server, name, number, filled.version.files)
            _publish(to, staged, before, ledger, pending)
            beside = _write(to, files, edited)
    return Added(
        server=server,
        model=name,
        version=number,
        folder=to / folder / str(number),
        how=filled.how,
        warmup_records=filled.warmup_records,
        verdict=filled.version.verdict,
        remarks=filled.version.remarks,
        beside=beside,
        canary_before=known.canary if known and known.canary != known.stable else None,
    )


def promote(to: Path, name: str, *, keep_edits: bool = False) -> Model:
    """Make the canary of the model `name` its stable version, on every server that has it.

    Raises ExportError if no such model is served, or a file was edited.
    """
    to = Path(to)
    if read_ledger(to) is None:
        raise ExportError(f"{to} is no serving folder; name one that tools/bundle.py wrote")
    with locked(to / LOCK, patience=LOCK_S):
        ledger = _recover(to) or Ledger()
        found = [model for model in ledger.models if model.name == name]
        if not found:
            known = ", ".join(sorted({m.name for m in ledger.models})) or "nothing"
            raise ExportError(f"{to} serves no model {name!r}; it serves {known}")
        for model in found:
            ledger = ledger.put(replace(model, stable=model.canary))
        files = render(ledger)
        edited = _edits(to, ledger, files, keep_edits)
        with repository.room(to):
            write_ledger(to, _knowing(ledger, files, edited))
            _write(to, files, edited)
    return replace(found[0], stable=found[0].canary)


def render(ledger: Ledger) -> dict[str, str]:
    """Return every generated file as path below the folder -> text, in the order to write them.

    Raises ExportError if the models cannot share a server.
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


def _refuse_exports(source: Path, to: Path) -> None:
    """Raise ExportError if `to` holds exports, because their reports would no longer be true."""
    real = Path(os.path.realpath(to))
    if any(holds_report(folder) for folder in (real, *real.parents)):
        raise ExportError(
            f"{to} lies in an artifact's own folder, and verifying that would then fail; "
            "name a folder beside the exports with --to"
        )
    below = [*real.glob(f"*/{REPORT}"), *real.glob(f"*/*/{REPORT}")] if real.is_dir() else []
    if Path(os.path.realpath(source)).is_relative_to(real) or any(
        holds_report(path.parent) for path in below
    ):
        raise ExportError(
            f"{to} holds exports, and a serving folder holds only what it serves; "
            "name a folder beside them with --to"
        )


def _recover(to: Path) -> Ledger | None:
    """Return the ledger of `to`, or None, after clearing away what a killed run left."""
    ledger = read_ledger(to)
    repository.sweep(to, [FILE, *(ledger.generated if ledger else ())])
    if ledger is None or ledger.pending is None:
        return ledger
    pending = ledger.pending
    owned = ledger.find(pending.server, pending.name)
    if not owned or pending.version not in owned.versions:
        repository.unpublish(to, pending.folder, pending.files)
    ledger = replace(ledger, pending=None)
    write_ledger(to, ledger)
    return ledger


def _settle(ledger: Ledger, root: str | None, image: str | None) -> Ledger:
    """Return the ledger with the mount point `root` and the image, where these are given."""
    if root is not None:
        ledger = replace(ledger, root=check_root(root))
    if image is not None:
        ledger = replace(ledger, image="" if image == "default" else modelserver.check_image(image))
    return ledger


def _publish(
    to: Path, staged: Path, before: Ledger | None, ledger: Ledger, pending: Pending
) -> None:
    """Put the staged version in its place and into the ledger, or leave both as they were."""
    try:
        write_ledger(to, replace(before or Ledger(), pending=pending))
        repository.publish(staged, to, pending.folder)
        write_ledger(to, ledger)
    except BaseException:
        repository.unpublish(to, pending.folder, pending.files)
        if before:
            write_ledger(to, before)
        else:
            (to / FILE).unlink(missing_ok=True)
        raise


def _knowing(ledger: Ledger, files: dict[str, str], edited: tuple[str, ...]) -> Ledger:
    """Return a ledger with the hashes of the files that will be written."""
    return ledger.generate({name: text for name, text in files.items() if name not in edited})


def _edits(to: Path, ledger: Ledger, files: dict[str, str], keep: bool) -> tuple[str, ...]:
    """Return the files to be written that somebody has edited since they were generated.

    Raises ExportError if there are any and `keep` is false, or if a folder is a link.
    """
    for name in files:
        repository.refuse_links(to, str(PurePosixPath(name).parent))
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


def _refuse_another_contract(known: Model | None, artifact: Artifact) -> None:
    if known is None:
        return
    last = known.versions[known.canary]
    if last.contract != artifact.contract:
        raise ExportError(
            f"clients of {known.name} {_traded(last.contract, 'send', 'get')}; this artifact "
            f"{_traded(artifact.contract, 'takes', 'gives')}; give it another --name"
        )


def _traded(contract: Contract, takes: str, gives: str) -> str:
    given, made = (printable(in_words(side)) for side in (contract.inputs, contract.outputs))
    return f"{takes} {given} and {gives} {made}"


def _with_version(known: Model | None, name, server, number: int, version: Version) -> Model:
    if known is None:
        return Model(
            name=name, server=server, stable=number, canary=number, versions={number: version}
        )
    return replace(known, canary=number, versions={**known.versions, number: version})


def _write(to: Path, files: dict[str, str], edited: tuple[str, ...]) -> tuple[Path, ...]:
    """Write the generated files; return those written beside an edited one."""
    beside = []
    for name, text in files.items():
        path = (
            repository.make_folder(to, str(PurePosixPath(name).parent)) / PurePosixPath(name).name
        )
        if name in edited:
            path = path.with_name(f"{path.name}.new")
            beside.append(path)
        write_whole(path, text)
    return tuple(beside)
