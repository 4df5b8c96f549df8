"""Rules on models.config, monitoring.config and the server's flags."""

from collections import Counter
from collections.abc import Iterator

from export.serving.ledger import FOLDERS, TF_SERVING
from export.serving.names import check_name
from export.serving.protos import configs
from export.serving.rules.base import Finding, Folder
from export.serving.servers import modelserver

FILE = "models.config"
LABELS_FLAG = "allow_version_labels_for_unavailable_models"


def models(folder: Folder) -> Iterator[Finding]:
    """Every model has a platform, a name of its own, and a folder that the server sees."""
    if folder.config is None:
        if (folder.path / FOLDERS[TF_SERVING]).is_dir() and not (folder.path / FILE).exists():
            yield folder.finding(FILE, "is missing: the server serves nothing")
        return
    entries = folder.config.model_config_list.config
    for name, count in Counter(entry.name for entry in entries).items():
        if count > 1:
            yield folder.finding(FILE, f"names {name!r} {count} times: the server does not start")
    for entry in entries:
        try:
            check_name(entry.name)
        except ValueError as error:
            yield folder.finding(FILE, f"serves what a URL cannot name: {error}")
        if entry.model_platform != "tensorflow":
            platform = entry.model_platform
            yield folder.finding(
                FILE, f"gives {entry.name!r} the platform {platform!r}, not 'tensorflow'"
            )
        if not folder.is_inside(entry.base_path):
            yield folder.finding(
                FILE,
                f"looks for {entry.name!r} in {entry.base_path!r}, outside {folder.root!r} where "
                "this folder is mounted",
            )


def versions(folder: Folder) -> Iterator[Finding]:
    """Versions asked for exist, and labels point at versions that are loaded."""
    for model in folder.served:
        if not model.folder.is_dir():
            yield folder.finding(
                FILE,
                f"serves {model.name!r} from {model.folder}, which is missing; "
                "the server waits for it and opens no port",
            )
            continue
        for number in model.loaded:
            if number not in model.versions:
                yield folder.finding(FILE, f"loads version {number} of {model.name!r}: not here")
        for label, number in sorted(model.labels.items()):
            if number not in model.loaded:
                yield folder.finding(
                    FILE,
                    f"labels version {number} of {model.name!r} {label!r}, which is not loaded; "
                    "the server refuses the label, and every one after it",
                )
    known = {model.folder.name for model in folder.served}
    parent = folder.path / FOLDERS[TF_SERVING]
    for child in sorted(parent.iterdir()) if folder.config and parent.is_dir() else ():
        if child.is_dir() and child.name not in known and not child.name.startswith("."):
            yield folder.finding(child.relative_to(folder.path), f"is not served: not in {FILE}")


def labels(folder: Folder) -> Iterator[Finding]:
    """If models.config has labels, the server's flags accept them before versions are loaded."""
    if not any(model.labels for model in folder.served):
        return
    for path, container in folder.serving_containers.items():
        if not _is_on(_flags(container), LABELS_FLAG):
            yield folder.finding(
                path,
                f"lacks --{LABELS_FLAG}: no version is available yet when {FILE} labels it, and "
                "the server does not start",
            )


def flags(folder: Folder) -> Iterator[Finding]:
    """The server's flags enable per-version batching, and every file they name exists."""
    for path, container in folder.serving_containers.items():
        given = _flags(container)
        for name, value in given.items():
            if not name.endswith("_file") or not folder.is_inside(value):
                continue
            file = value.removeprefix(f"{folder.root}/")
            if not (folder.path / file).exists():
                yield folder.finding(
                    file, f"is missing, and {path} names it: the server does not start"
                )
        if not _is_on(given, "enable_batching"):
            fate = "requests are not batched"
            if "batching_parameters_file" in given:
                fate = "the server refuses the --batching_parameters_file and does not start"
            yield folder.finding(path, f"lacks --enable_batching: {fate}")
        elif not _is_on(given, "enable_per_model_batching_parameters"):
            yield folder.finding(
                path,
                "lacks --enable_per_model_batching_parameters: the batch sizes of each version "
                "are ignored",
            )
        if given.get("enable_model_warmup") == "false":
            yield folder.finding(path, "turns --enable_model_warmup off: warm-ups are ignored")


def monitoring(folder: Folder) -> Iterator[Finding]:
    """monitoring.config parses, and metrics are where Prometheus is sent."""
    config = folder.parse("monitoring.config", configs().MonitoringConfig)
    if config is None:
        return
    if not config.prometheus_config.enable:
        yield folder.finding("monitoring.config", "exports no metrics: enable is not true")
    elif config.prometheus_config.path not in ("", modelserver.METRICS):
        yield folder.finding(
            "monitoring.config",
            f"exports metrics at {config.prometheus_config.path!r}, the manifests scrape "
            f"{modelserver.METRICS!r}",
        )


def _flags(container: dict) -> dict[str, str]:
    """Return the values of a container's flags by name; of one given twice, the last."""
    given = container.get("command") or container.get("args")
    parts = (str(flag).partition("=") for flag in (given if isinstance(given, list) else ()))
    return {name.lstrip("-"): value for name, _, value in parts}


def _is_on(flags: dict[str, str], name: str) -> bool:
    return flags.get(name, "false") != "false"
