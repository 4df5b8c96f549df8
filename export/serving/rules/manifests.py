"""Rules on compose.yaml and kubernetes/: images, GPUs, mounts, and copies of configurations."""

from collections.abc import Iterator

from export.errors import ArtifactError
from export.report.file import file_sha256
from export.serving import savedmodel
from export.serving.rules.base import SERVER, Finding, Folder, get_in
from export.serving.servers import modelserver
from export.serving.servers.kubernetes import CONFIGS
from export.serving.servers.pods import GPU


def images(folder: Folder) -> Iterator[Finding]:
    """Every op of every graph that is loaded is known to every image that would load it."""
    ops = {}
    for model, number, version in folder.loaded():
        try:
            ops[model.name, number] = savedmodel.read_ops(version / "saved_model.pb")
        except ArtifactError:
            continue  # the rule on the repository says so
    containers = folder.serving_containers
    for path, container in containers.items():
        yield from _explain(folder, path, str(container["image"]), ops)
    for path, model, image in _kserve(folder):
        own = {key: found for key, found in ops.items() if key[0] == model}
        yield from _explain(folder, path, image, own)


def gpus(folder: Folder) -> Iterator[Finding]:
    """A container whose image has -gpu gets a GPU."""
    for path, container in folder.serving_containers.items():
        image = str(container["image"])
        if "-gpu" not in image:
            continue
        limits = get_in(container, "resources", "limits") or {}
        reserved = get_in(container, "deploy", "resources", "reservations", "devices")
        if GPU not in limits and not reserved and "gpus" not in container:
            yield folder.finding(path, f"runs {image} without a GPU")


def config_map(folder: Folder) -> Iterator[Finding]:
    """The ConfigMap has the same text as the files."""
    for path, manifest in folder.manifests.items():
        if manifest.get("kind") != "ConfigMap":
            continue
        for name in CONFIGS:
            file, text = folder.path / name, get_in(manifest, "data", name)
            if text is None:
                yield folder.finding(path, f"lacks {name}: the server does not start")
            elif file.is_file() and str(text).encode() != file.read_bytes():
                yield folder.finding(path, f"holds another {name} than the file of that name")


def mounts(folder: Folder) -> Iterator[Finding]:
    """No file is mounted by itself, because the server would keep the old one."""
    for path, container in folder.serving_containers.items():
        volumes = container.get("volumes")
        for volume in volumes if isinstance(volumes, list) else ():
            source = str(volume).split(":")[0] if isinstance(volume, str) else ""
            if (folder.path / source).is_file():
                yield folder.finding(
                    path,
                    f"mounts the file {source}, which stays as it was when it is replaced; "
                    "mount the folder",
                )


def stale(folder: Folder) -> Iterator[Finding]:
    """No generated file is out of date, as a killed run leaves them."""
    for name, known in folder.ledger.generated.items() if folder.ledger else ():
        path = folder.path / name
        if path.is_file() and file_sha256(path) in known[:-1]:
            yield folder.finding(
                name, "is older than bundle.json: a run was killed; tools/bundle.py writes it anew"
            )


def leftovers(folder: Folder) -> Iterator[Finding]:
    """No text that was written beside an edited file is still to be merged."""
    for name in folder.ledger.generated if folder.ledger else ():
        if (folder.path / f"{name}.new").is_file():
            yield folder.finding(f"{name}.new", f"waits to be merged into {name}")


def _explain(folder: Folder, path: str, image: str, ops) -> Iterator[Finding]:
    for (name, number), found in ops.items():
        for reason in modelserver.explain_ops(image, found):
            yield folder.finding(path, f"{name} version {number} does not load: {reason}")


def _kserve(folder: Folder) -> Iterator[tuple[str, str, str]]:
    """Yield (path, model, image) of each InferenceService over TF Serving."""
    for path, manifest in folder.manifests.items():
        if manifest.get("kind") != "InferenceService":
            continue
        model = get_in(manifest, "spec", "predictor", "model")
        if get_in(model, "modelFormat", "name") == "tensorflow":
            name = str(model.get("storageUri")).rstrip("/").rsplit("/", 1)[-1]
            runtime = f"{SERVER}:{model.get('runtimeVersion', 'latest')}"
            yield path, name, str(model.get("image", runtime))
