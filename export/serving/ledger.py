"""bundle.json: which models a serving folder holds, and the hashes of its generated files.

Every generated file is rendered from the ledger alone, so adding a model keeps the others. By the
hashes, a file that somebody edited is told from one that is only out of date.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from export.contract import Contract
from export.errors import ExportError
from export.files import read_bounded, write_whole
from export.formats.names import TF_SERVING  # also the name of the server itself
from export.report.paths import check_path
from export.serving.formats import server_of
from export.serving.names import check_name, check_root

FILE = "bundle.json"
LARGEST = 64 << 20  # bytes
KEPT = 50  # hashes of each generated file; so many runs in a row may be killed
SCHEMA = 1
ROOT = "/bundle"  # where the folder is mounted on the server
TRITON = "triton"
FOLDERS = {TF_SERVING: "models", TRITON: "triton"}


@dataclass(frozen=True, kw_only=True)
class Version:
    """One artifact as it was published."""

    format: str
    contract: Contract
    batch_sizes: tuple[int, ...]  # ascending
    bytes: int
    files: dict[str, str]  # path below the version -> sha256 in hex, of everything written there
    verdict: str = ""  # of its report; "" in ledgers from before there was one
    remarks: tuple[str, ...] = ()  # the report's warnings, and what was never checked


@dataclass(frozen=True, kw_only=True)
class Model:
    """One served name, with the versions that clients reach as `stable` and as `canary`."""

    name: str
    server: str  # TF_SERVING or TRITON
    stable: int
    canary: int
    versions: dict[int, Version]

    @property
    def folder(self) -> str:
        return f"{FOLDERS[self.server]}/{self.name}"

    @property
    def loaded(self) -> dict[int, Version]:
        """The versions that a server loads, ascending."""
        return {number: self.versions[number] for number in sorted({self.stable, self.canary})}

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes that every loaded version is made for, ascending."""
        common = set.intersection(*(set(v.batch_sizes) for v in self.loaded.values()))
        return tuple(sorted(common))


@dataclass(frozen=True)
class Pending:
    """A version that is being published; if a run finds one in a ledger, the last was killed."""

    server: str
    name: str
    version: int
    files: dict[str, str]  # as in Version

    @property
    def folder(self) -> str:
        return f"{FOLDERS[self.server]}/{self.name}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A serving folder: its models, and the hashes its generated files have had."""

    root: str = ROOT
    models: tuple[Model, ...] = ()
    generated: dict[str, list[str]] = field(default_factory=dict)
    image: str = ""  # of TF Serving; "" is the toolkit's choice
    pending: Pending | None = None

    def on(self, server: str) -> tuple[Model, ...]:
        """Return the models of one server, by name."""
        return tuple(m for m in self.models if m.server == server)

    def find(self, server: str, name: str) -> Model | None:
        return next((m for m in self.on(server) if m.name == name), None)

    def put(self, model: Model) -> "Ledger":
        """Return a ledger with `model` added, or in place of the one with its name."""
        others = [m for m in self.models if (m.server, m.name) != (model.server, model.name)]
        ordered = sorted([*others, model], key=lambda m: (m.server, m.name))
        return replace(self, models=tuple(ordered))

    def generate(self, files: Mapping[str, str]) -> "Ledger":
        """Return a ledger that also has the hashes of `files` (path -> text).

        Earlier hashes are kept, because a run may be killed after the ledger is written and before
        the files are.
        """
        known = dict(self.generated)
        for path, text in files.items():
            digest = hash_text(text)
            before = [d for d in known.get(path, ()) if d != digest]
            known[path] = [*before[1 - KEPT :], digest]
        return replace(self, generated=known)


def hash_text(text: str) -> str:
    """Return the sha256 of `text` in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_ledger(folder: Path) -> Ledger | None:
    """Return the ledger of `folder`, or None if there is none.

    Raises ExportError if it is unreadable, or names what lies outside the folder.
    """
    path = folder / FILE
    try:
        data = json.loads(read_bounded(path, LARGEST))
    except FileNotFoundError:
        return None
    except RecursionError as cause:
        raise ExportError(f"cannot read {path}: it is nested without end") from cause
    except (OSError, ValueError) as cause:
        raise ExportError(f"cannot read {path}: {cause}") from cause
    try:
        ledger = _ledger(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        raise ExportError(f"{path} is no ledger of a serving folder: {cause}") from cause
    _refuse_unknown_formats(path, ledger)
    return ledger


def _refuse_unknown_formats(path: Path, ledger: Ledger) -> None:
    """Raise ExportError if a version is of a format of another version of this toolkit."""
    for model in ledger.models:
        for version in model.versions.values():
            try:
                server_of(version.format)
            except ExportError as error:
                raise ExportError(f"{path} lists {model.name}, and {error}") from error


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Write the ledger of `folder`, whole, on disk when this returns."""
    write_whole(folder / FILE, as_json(ledger))


def as_json(ledger: Ledger) -> str:
    """Return the text of bundle.json."""
    entries = asdict(ledger)
    for key in ("image", "pending"):
        if not entries[key]:
            del entries[key]
    return json.dumps({"schema": SCHEMA, **entries}, indent=1) + "\n"


def _ledger(data: dict) -> Ledger:
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']!r:.80}, not {SCHEMA}")
    pending = data.get("pending")
    return Ledger(
        root=check_root(data["root"]),
        models=tuple(_model(entry) for entry in data["models"]),
        generated={check_path(path): list(known) for path, known in data["generated"].items()},
        image=str(data.get("image", "")),
        pending=_pending(pending) if pending else None,
    )


def _model(entry: dict) -> Model:
    versions = {int(number): _version(version) for number, version in entry["versions"].items()}
    name, stable, canary = check_name(entry["name"]), int(entry["stable"]), int(entry["canary"])
    if min(versions, default=0) < 0 or max(versions, default=0) >= 1 << 63:
        raise ValueError(f"{name!r} has a version that no server can number")
    if entry["server"] not in FOLDERS or not {stable, canary} <= set(versions):
        raise ValueError(f"{name!r} has a label or a server that is unknown")
    return Model(name=name, server=entry["server"], stable=stable, canary=canary, versions=versions)


def _version(entry: dict) -> Version:
    return Version(
        format=str(entry["format"]),
        contract=_contract(entry),
        batch_sizes=tuple(map(int, entry["batch_sizes"])),
        bytes=int(entry["bytes"]),
        files=_files(entry),
        verdict=str(entry.get("verdict", "")),
        remarks=tuple(map(str, entry.get("remarks", ()))),
    )


def _contract(entry: dict) -> Contract:
    """The contract of a version; ledgers of old are of classifiers of pictures alone."""
    if "contract" in entry:
        return Contract.from_dict(entry["contract"])
    return Contract.of_classifier(map(int, entry["image"]), int(entry["classes"]))


def _pending(entry: dict) -> Pending:
    if entry["server"] not in FOLDERS:
        raise ValueError(f"it waits for the server {entry['server']!r:.80}")
    name = check_name(entry["name"])
    return Pending(entry["server"], name, int(entry["version"]), _files(entry))


def _files(entry: dict) -> dict[str, str]:
    return {check_path(path): str(sha256) for path, sha256 in entry["files"].items()}
