"""A serving folder, read once, which every rule looks at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from google.protobuf import text_format

from export.errors import ArtifactError, ExportError
from export.files import read_bounded
from export.serving import repository, savedmodel
from export.serving.ledger import ROOT, TF_SERVING, Ledger, Version, read_ledger
from export.serving.protos import messages

SERVER = "tensorflow/serving"
UNREADABLE = (
    OSError,
    ValueError,
    RecursionError,
    text_format.ParseError,
    yaml.YAMLError,
    ArtifactError,
)
LARGEST = 16 << 20  # bytes of a file that people write
MOST_ENTRIES = 100_000  # of a manifest, what is said twice by an alias counted twice


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what follows from it."""

    path: str  # below the serving folder
    text: str


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model of models.config, and what lies where it points."""

    name: str
    folder: Path
    loaded: tuple[int, ...]  # versions that its policy loads, whether they exist or not
    versions: dict[int, Path]
    labels: dict[str, int]


@dataclass
class Folder:
    """A serving folder. A file that does not parse becomes a finding, and is read as empty."""

    path: Path
    broken: list[Finding] = field(default_factory=list)

    def finding(self, path: Path | str, text: str) -> Finding:
        """Return a finding about `path`, in the folder or below it."""
        return Finding(str(self.path / path), text)

    @cached_property
    def ledger(self) -> Ledger | None:
        try:
            return read_ledger(self.path)
        except ExportError as error:
            self.broken.append(self.finding("bundle.json", str(error)))
            return None

    @property
    def root(self) -> str:
        """Return where the server sees the folder."""
        return self.ledger.root if self.ledger else ROOT

    @cached_property
    def config(self):
        """The ModelServerConfig, or None."""
        return self.parse("models.config", messages().ModelServerConfig)

    @cached_property
    def served(self) -> tuple[Served, ...]:
        """The models of models.config whose base path lies in the folder."""
        entries = self.config.model_config_list.config if self.config else ()
        return tuple(self._served(entry) for entry in entries if self.is_inside(entry.base_path))

    @cached_property
    def manifests(self) -> dict[str, dict]:
        """The compose file and the Kubernetes manifests, by path; an unreadable one is left out."""
        found = {}
        for path in (self.path / "compose.yaml", *sorted(self.path.glob("kubernetes/**/*.yaml"))):
            name = path.relative_to(self.path).as_posix()
            try:
                data = read_yaml(path)
            except FileNotFoundError:
                continue
            except UNREADABLE as error:
                reason = " ".join(str(error).split())
                self.broken.append(self.finding(name, f"is not YAML: {reason}"))
                continue
            if isinstance(data, dict):
                found[name] = data
            else:
                self.broken.append(self.finding(name, "holds no mapping"))
        return found

    @property
    def serving_containers(self) -> dict[str, dict]:
        """The containers of TF Serving, by the path of the file that starts them."""
        found = {}
        for name, manifest in self.manifests.items():
            services = get_in(manifest, "services")
            pods = get_in(manifest, "spec", "template", "spec", "containers")
            containers = [*services.values()] if isinstance(services, dict) else []
            containers += pods if isinstance(pods, list) else []
            for container in containers:
                image = str(get_in(container, "image"))
                if SERVER in image or (self.ledger and image == self.ledger.image):
                    found[name] = container
        return found

    def loaded(self) -> Iterator[tuple[Served, int, Path]]:
        """Yield each version that the server loads and that exists."""
        for model in self.served:
            for number in model.loaded:
                if number in model.versions:
                    yield model, number, model.versions[number]

    def recorded(self, name: str, number: int) -> Version | None:
        """Return the ledger's entry of a version."""
        model = self.ledger.find(TF_SERVING, name) if self.ledger else None
        return model.versions.get(number) if model else None

    def is_inside(self, base_path: str) -> bool:
        """Tell whether the server's `base_path` lies in the folder as it is mounted."""
        return base_path.startswith(f"{self.root}/") and ".." not in Path(base_path).parts

    def signatures(self, version: Path) -> dict[str, savedmodel.Signature]:
        """Return the signatures of a version; none where it has no readable SavedModel."""
        try:
            return savedmodel.read_signatures(version / "saved_model.pb")
        except ArtifactError:
            return {}  # the rule on the repository says so

    def parse(self, name: Path | str, message_type):
        """Return the message that the text file `name` spells, or None."""
        path = self.path / name
        try:
            text = read_bounded(path, LARGEST).decode("utf-8")
            return text_format.Parse(text, message_type())
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            kind = message_type.DESCRIPTOR.name
            self.broken.append(
                self.finding(name, f"is no {kind}, so the server does not start: {error}")
            )
            return None

    def _served(self, entry) -> Served:
        folder = self.path / Path(entry.base_path).relative_to(self.root)
        versions = repository.versions(folder)
        policy = entry.model_version_policy
        kind = policy.WhichOneof("policy_choice")
        if kind == "specific":
            loaded = tuple(policy.specific.versions)
        elif kind == "all":
            loaded = tuple(versions)
        else:  # unset is the latest one
            loaded = tuple(versions)[-(policy.latest.num_versions or 1) :]
        return Served(
            name=entry.name,
            folder=folder,
            loaded=loaded,
            versions=versions,
            labels=dict(entry.version_labels),
        )


def read_yaml(path: Path):
    """Return what the YAML file `path` holds.

    Raises FileNotFoundError, YAMLError, or ValueError if a few lines unfold to a great many.
    """
    data = yaml.safe_load(read_bounded(path, LARGEST))
    left, waiting = MOST_ENTRIES, [data]
    while waiting:
        entry = waiting.pop()
        inner = [*entry.keys(), *entry.values()] if isinstance(entry, dict) else entry
        if isinstance(inner, list):
            left -= 1 + len(inner)
            waiting += inner
        if left < 0:
            raise ValueError(f"it unfolds to more than {MOST_ENTRIES} entries")
    return data


def get_in(data, *keys: str):
    """Return the value at `keys` in nested mappings, or None; the YAML may be anything."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
