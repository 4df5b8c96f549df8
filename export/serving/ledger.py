"""bundle.json: what a serving folder holds, and what was last generated in it.

Every generated file is rendered from the ledger alone, so adding a model keeps the others. The
hashes tell a file that somebody edited from one that is merely old.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from export.errors import ExportError

FILE = "bundle.json"
SCHEMA = 1
ROOT = "/bundle"  # where the folder is mounted on the server
TF_SERVING, TRITON = "tf-serving", "triton"
FOLDERS = {TF_SERVING: "models", TRITON: "triton"}


@dataclass(frozen=True)
class Version:
    """One artifact as it was published."""

    format: str
    image: tuple[int, int, int]  # height, width, channels
    classes: int
    batch_sizes: tuple[int, ...]  # ascending
    bytes: int
    files: dict[str, str]  # path below the version -> sha256 in hex, of everything written there


@dataclass(frozen=True)
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
class Ledger:
    """A serving folder: its models, and the hashes its generated files have had."""

    root: str = ROOT
    models: tuple[Model, ...] = ()
    generated: dict[str, list[str]] = field(default_factory=dict)

    def on(self, server: str) -> tuple[Model, ...]:
        """The models of one server, by name."""
        return tuple(m for m in self.models if m.server == server)

    def find(self, server: str, name: str) -> Model | None:
        return next((m for m in self.on(server) if m.name == name), None)

    def put(self, model: Model) -> "Ledger":
        """The same with `model` added, or in place of the one of its name."""
        others = [m for m in self.models if (m.server, m.name) != (model.server, model.name)]
        ordered = sorted([*others, model], key=lambda m: (m.server, m.name))
        return replace(self, models=tuple(ordered))

    def generate(self, files: Mapping[str, str]) -> "Ledger":
        """The same, knowing the text of `files` and, of each, the text before it.

        The one before is kept because a process may be killed between the ledger and the files.
        """
        known = dict(self.generated)
        for path, text in files.items():
            digest = hash_text(text)
            before = [d for d in known.get(path, ()) if d != digest]
            known[path] = [*before[-1:], digest]
        return replace(self, generated=known)


def hash_text(text: str) -> str:
    """Return the sha256 of `text` in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_ledger(folder: Path) -> Ledger | None:
    """Return the ledger of `folder`, or None where there is none.

    Raises ExportError where it is unreadable.
    """
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as cause:
        raise ExportError(f"cannot read {path}: {cause}") from cause
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {SCHEMA}")
        models = tuple(_model(entry) for entry in data["models"])
        if not str(data["root"]).startswith("/"):
            raise ValueError(f"it is mounted at {data['root']!r}, no absolute path")
        generated = {path: list(digests) for path, digests in data["generated"].items()}
        return Ledger(data["root"], models, generated)
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise ExportError(f"{path} is no ledger of a serving folder: {cause}") from cause


def as_json(ledger: Ledger) -> str:
    """Return the text of bundle.json."""
    return json.dumps({"schema": SCHEMA, **asdict(ledger)}, indent=1) + "\n"


def _model(entry: dict) -> Model:
    versions = {
        int(number): Version(
            version["format"],
            tuple(map(int, version["image"])),
            int(version["classes"]),
            tuple(map(int, version["batch_sizes"])),
            int(version["bytes"]),
            dict(version["files"]),
        )
        for number, version in entry["versions"].items()
    }
    model = Model(entry["name"], entry["server"], entry["stable"], entry["canary"], versions)
    if model.server not in FOLDERS or not {model.stable, model.canary} <= set(versions):
        raise ValueError(f"{model.name!r} has a label or a server that is unknown")
    return model
