"""Rules on how a server runs: engines, readiness, rights, storage, and KServe's names."""

from collections.abc import Iterator
from dataclasses import dataclass

from export.errors import ArtifactError
from export.serving import savedmodel
from export.serving.rules.base import Finding, Folder, get_in
from export.serving.servers import kserve
from export.serving.servers.modelserver import ENGINE_OR_NOTHING, TFTRT_OPS

SHARED = {"ReadWriteMany", "ReadOnlyMany"}
KUSTOMIZE = "kustomize.config.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Running:
    """One container of TF Serving, in the file that starts it."""

    path: str
    pod: dict  # of compose, the service once more
    container: dict
    models: tuple[str, ...]  # that it serves
    is_compose: bool = False


def engines(folder: Folder) -> Iterator[Finding]:
    """TF-TRT may not run the FP32 graph if an engine cannot be built."""
    name, _ = ENGINE_OR_NOTHING
    models = {model.name for model, _, version in folder.loaded() if _has_engine(version)}
    for running in _running(folder):
        value = _environment(running.container).get(name, "true")
        if models & set(running.models) and value.lower() not in ("false", "0"):
            yield folder.finding(
                running.path,
                f"lacks {name}={ENGINE_OR_NOTHING[1]}: where an engine cannot be built, "
                f"{', '.join(sorted(models & set(running.models)))} is served in FP32 in silence",
            )


def readiness(folder: Folder) -> Iterator[Finding]:
    """A server counts as ready only once every model is loaded."""
    for running in _running(folder):
        if running.path.startswith("kubernetes/kserve/"):
            continue  # KServe asks for the one model itself
        key = "healthcheck" if running.is_compose else "readinessProbe"
        probe = running.container.get(key)
        if not isinstance(probe, dict) or probe.get("disable"):
            yield folder.finding(running.path, f"has no {key}: requests come before a model does")
            continue
        command = (
            get_in(probe, "test") or get_in(probe, "exec", "command") or get_in(probe, "httpGet")
        )
        asked = set(str(command).replace("/", " ").replace(";", " ").split())
        if unasked := [name for name in running.models if name not in asked]:
            yield folder.finding(
                running.path,
                f"has a {key} that does not ask for {', '.join(unasked)}: requests come before "
                "it is loaded",
            )


def rights(folder: Folder) -> Iterator[Finding]:
    """A server has only the rights that it needs, and a limit on its memory."""
    for running in _running(folder):
        wanting = _of_compose if running.is_compose else _of_kubernetes
        for fault in wanting(running.pod, running.container):
            yield folder.finding(running.path, fault)


def storage(folder: Folder) -> Iterator[Finding]:
    """Every pod can mount the claim, and one storage class can serve it."""
    for path, manifest in folder.manifests.items():
        if manifest.get("kind") != "PersistentVolumeClaim":
            continue
        modes = get_in(manifest, "spec", "accessModes")
        modes = modes if isinstance(modes, list) else []
        if len(modes) > 1:
            yield folder.finding(
                path, f"asks for a storage class that has all of {', '.join(map(str, modes))}"
            )
        if not SHARED & set(map(str, modes)) and (most := _most_replicas(folder)) > 1:
            yield folder.finding(
                path,
                f"is {', '.join(map(str, modes)) or 'without a mode'}, which one node can mount, "
                f"and there are up to {most} pods: those on other nodes never start; use "
                "ReadWriteMany, or one replica",
            )


def service_names(folder: Folder) -> Iterator[Finding]:
    """KServe can make host names of the names of services."""
    for path, manifest in folder.manifests.items():
        if manifest.get("kind") != "InferenceService":
            continue
        name = str(get_in(manifest, "metadata", "name"))
        namespace = str(get_in(manifest, "metadata", "namespace") or "default")
        host = f"{name}{kserve.SUFFIX}{namespace}"
        if not kserve.SERVICE.fullmatch(name):
            yield folder.finding(
                path,
                f"is named {name!r}: KServe takes lower case, digits and '-', a letter first",
            )
        elif len(host) > kserve.LABEL:
            yield folder.finding(
                path, f"gets the host {host!r}, over the {kserve.LABEL} characters of DNS"
            )


def kustomization(folder: Folder) -> Iterator[Finding]:
    """`kubectl apply -k` applies every manifest beside the Kustomize file, and finds each."""
    for path, manifest in folder.manifests.items():
        if not str(manifest.get("apiVersion")).startswith(KUSTOMIZE):
            continue
        listed = manifest.get("resources")
        listed = set(map(str, listed if isinstance(listed, list) else ()))
        here = path.rpartition("/")[0]
        beside = {p.removeprefix(f"{here}/") for p in folder.manifests if p.startswith(f"{here}/")}
        beside = {name for name in beside if "/" not in name and name != path.rpartition("/")[2]}
        for name in sorted(listed - beside):
            if not (folder.path / here / name).exists():
                yield folder.finding(path, f"lists {name}, which is not here: nothing is applied")
        for name in sorted(beside - listed):
            yield folder.finding(path, f"leaves out {name}, which is then not applied")


def _running(folder: Folder) -> Iterator[Running]:
    every = tuple(model.name for model in folder.served)
    for path, container in folder.serving_containers.items():
        manifest = folder.manifests[path]
        if get_in(manifest, "services"):
            yield Running(
                path=path, pod=container, container=container, models=every, is_compose=True
            )
        else:
            yield Running(
                path=path,
                pod=get_in(manifest, "spec", "template", "spec"),
                container=container,
                models=every,
            )
    for path, manifest in folder.manifests.items():
        predictor = get_in(manifest, "spec", "predictor")
        model = get_in(predictor, "model")
        if manifest.get("kind") == "InferenceService" and isinstance(model, dict):
            name = str(model.get("storageUri")).rstrip("/").rpartition("/")[2]
            yield Running(path=path, pod=predictor, container=model, models=(name,))


def _has_engine(version) -> bool:
    try:
        return bool(savedmodel.read_ops(version / "saved_model.pb") & TFTRT_OPS)
    except ArtifactError:
        return False  # the rule on the repository says so


def _environment(container: dict) -> dict[str, str]:
    """Return the variables of a container: a mapping, NAME=VALUE, or Kubernetes' name and value."""
    given = container.get("environment") or container.get("env")
    if isinstance(given, dict):
        return {str(name): str(value) for name, value in given.items()}
    found = {}
    for entry in given if isinstance(given, list) else ():
        if isinstance(entry, dict):
            found[str(entry.get("name"))] = str(entry.get("value"))
        else:
            name, _, value = str(entry).partition("=")
            found[name] = value
    return found


def _of_compose(service: dict, _container: dict) -> Iterator[str]:
    user = str(service.get("user", "0")).split(":")[0]
    if user in ("0", "root", ""):
        yield "runs as root"
    if service.get("read_only") is not True:
        yield "can write to its root file system"
    if "ALL" not in _strings(service.get("cap_drop")):
        yield "keeps capabilities that it does not need: cap_drop is not [ALL]"
    if not any(
        text.startswith("no-new-privileges") for text in _strings(service.get("security_opt"))
    ):
        yield "may gain privileges: security_opt lacks no-new-privileges"
    if service.get("privileged"):
        yield "is privileged: it may do whatever the machine's root may"
    if not get_in(service, "deploy", "resources", "limits", "memory") and not service.get(
        "mem_limit"
    ):
        yield "has no limit of memory: a large batch may take the machine down"


def _of_kubernetes(pod: dict, container: dict) -> Iterator[str]:
    own, all_of = get_in(container, "securityContext") or {}, get_in(pod, "securityContext") or {}
    own, all_of = (c if isinstance(c, dict) else {} for c in (own, all_of))
    if own.get("runAsNonRoot", all_of.get("runAsNonRoot")) is not True:
        yield "may run as root: runAsNonRoot is not true"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "can write to its root file system: readOnlyRootFilesystem is not true"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges: allowPrivilegeEscalation is not false"
    if "ALL" not in _strings(get_in(own, "capabilities", "drop")):
        yield "keeps capabilities that it does not need: drop is not [ALL]"
    if own.get("privileged"):
        yield "is privileged: it may do whatever the node's root may"
    profile = get_in(own, "seccompProfile", "type") or get_in(all_of, "seccompProfile", "type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield "may make any system call: seccompProfile is not RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "is given a token of the cluster: automountServiceAccountToken is not false"
    if not get_in(container, "resources", "limits", "memory"):
        yield "has no limit of memory: a large batch may take the node down"


def _strings(value) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []


def _most_replicas(folder: Folder) -> int:
    """Return the most pods that the manifests allow."""
    found = [1]
    for manifest in folder.manifests.values():
        for key in ("replicas", "maxReplicas"):
            value = get_in(manifest, "spec", key)
            found += [value] if isinstance(value, int) else []
    return max(found)
