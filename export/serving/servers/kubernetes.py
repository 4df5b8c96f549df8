"""Kubernetes manifests: a Deployment of TF Serving with what it needs, or KServe instead of it.

The models lie on a volume claim named `models`, whose content is the folder `models/`; the
configuration is a ConfigMap, which a running server reads again.
"""

from collections.abc import Mapping

from export.serving.ledger import TF_SERVING, Ledger, Version
from export.serving.servers import kserve, modelserver, pods
from export.serving.servers.compose import startup_seconds
from export.serving.servers.yaml_text import to_yaml

NAME = "tf-serving"
LABELS = {"app.kubernetes.io/name": NAME}
CONFIGS = ("models.config", "batching_parameters.txt", "monitoring.config")
CONFIG_FOLDER = "/config"
KUSTOMIZATION = "kubernetes/kustomization.yaml"
REPLICAS = 2
DRAIN_S = 15  # until no client is sent to a pod that is about to end
FINISH_S = 30  # for the requests that it still has


def manifests(ledger: Ledger, files: Mapping[str, str]) -> dict[str, str]:
    """Return the manifests as path -> YAML; `files` holds the text of the CONFIGS.

    Raises ExportError if two models have the same name once Kubernetes may spell it.
    """
    models = ledger.on(TF_SERVING)
    made = {
        "configmap.yaml": _config_map(files),
        "volume.yaml": _volume_claim(ledger),
        "deployment.yaml": _deployment(ledger),
        "service.yaml": _service(),
        "hpa.yaml": _autoscaler(),
        "disruption.yaml": _disruption_budget(),
        "network.yaml": _network_policy(),
    }
    texts = {f"kubernetes/{name}": to_yaml(manifest) for name, manifest in made.items()}
    texts[KUSTOMIZATION] = to_yaml(_kustomization(list(made)))
    names = kserve.service_names(models)
    for model in models:
        service = kserve.inference_service(ledger, model, names[model.name])
        texts[f"kubernetes/kserve/{names[model.name]}.yaml"] = to_yaml(service)
    return texts


def _versions(ledger: Ledger) -> list[Version]:
    """Return the versions that the server loads."""
    return [v for model in ledger.on(TF_SERVING) for v in model.loaded.values()]


def _object(version: str, kind: str, name: str = NAME, **fields) -> dict:
    metadata = {"name": name, "labels": LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _kustomization(names: list[str]) -> dict:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
    }


def _config_map(files: Mapping[str, str]) -> dict:
    return _object("v1", "ConfigMap", data={name: files[name] for name in CONFIGS})


def _volume_claim(ledger: Ledger) -> dict:
    models = ledger.on(TF_SERVING)
    size = sum(version.bytes for model in models for version in model.versions.values())
    spec = {
        # Every pod reads it, on any node, and somebody has to copy the models there: a class over
        # a shared file system does both. A second mode would ask for a class that has the two.
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": f"{-(-size * 4 // pods.GI)}Gi"}},
    }
    return _object("v1", "PersistentVolumeClaim", "models", spec=spec)


def _deployment(ledger: Ledger) -> dict:
    versions = _versions(ledger)
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(modelserver.REST_PORT),
        "prometheus.io/path": modelserver.METRICS,
    }
    template = {
        "metadata": {"labels": LABELS, "annotations": annotations},
        "spec": {
            **pods.pod(versions),
            "terminationGracePeriodSeconds": DRAIN_S + FINISH_S,
            "topologySpreadConstraints": [
                _spread("kubernetes.io/hostname"),
                _spread("topology.kubernetes.io/zone"),
            ],
            "containers": [_container(ledger)],
            "volumes": _volumes(),
        },
    }
    spec = {
        "selector": {"matchLabels": LABELS},
        # No replicas: the autoscaler owns them, and begins with two.
        "progressDeadlineSeconds": startup_seconds(ledger) + 300,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": _rollout(versions)},
        "template": template,
    }
    return _object("apps/v1", "Deployment", spec=spec)


def _rollout(versions: list[Version]) -> dict:
    """Return limits of a rollout: one pod more, or, if no GPU may be free for it, one less."""
    if pods.needs_gpu(versions):
        return {"maxSurge": 0, "maxUnavailable": 1}
    return {"maxSurge": 1, "maxUnavailable": 0}


def _spread(over: str) -> dict:
    return {
        "maxSkew": 1,
        "topologyKey": over,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": LABELS},
    }


def _container(ledger: Ledger) -> dict:
    versions = _versions(ledger)
    formats = [version.format for version in versions]
    return {
        "name": "serving",
        "image": modelserver.image_for(formats, ledger.image),
        "args": modelserver.flags(CONFIG_FOLDER),
        "ports": [
            {"name": "grpc", "containerPort": modelserver.GRPC_PORT},
            {"name": "http", "containerPort": modelserver.REST_PORT},
        ],
        **_probes(ledger),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(DRAIN_S)]}}},
        **pods.container(versions),
        "volumeMounts": [
            {"name": "models", "mountPath": f"{ledger.root}/models", "readOnly": True},
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            pods.TMP,
        ],
    }


def _probes(ledger: Ledger) -> dict:
    """Ready once every model answers. A kubelet's own request could ask for one model alone."""
    names = [model.name for model in ledger.on(TF_SERVING)]
    ready = {
        "exec": {"command": ["bash", "-c", modelserver.readiness(names)]},
        "timeoutSeconds": 5,
    }
    return {
        "startupProbe": {
            **ready,
            "periodSeconds": 10,
            "failureThreshold": -(-startup_seconds(ledger) // 10),
        },
        "readinessProbe": {**ready, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 20},
    }


def _volumes() -> list[dict]:
    claim = {"claimName": "models", "readOnly": True}
    return [
        {"name": "models", "persistentVolumeClaim": claim},
        {"name": "config", "configMap": {"name": NAME}},
        pods.tmp_volume(),
    ]


def _service() -> dict:
    spec = {
        "selector": LABELS,
        # Headless: a gRPC client holds one connection, and must see every pod to use them all.
        "clusterIP": "None",
        "ports": [
            {"name": "grpc", "port": modelserver.GRPC_PORT, "targetPort": "grpc"},
            {"name": "http", "port": modelserver.REST_PORT, "targetPort": "http"},
        ],
    }
    return _object("v1", "Service", spec=spec)


def _autoscaler() -> dict:
    target = {"type": "Utilization", "averageUtilization": 70}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": REPLICAS,
        "maxReplicas": 2 * REPLICAS,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", spec=spec)


def _disruption_budget() -> dict:
    """Return a budget by which one pod at a time may leave a node that is drained."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}
    return _object("policy/v1", "PodDisruptionBudget", spec=spec)


def _network_policy() -> dict:
    """Requests come in by the two ports; TF Serving itself asks nobody for anything."""
    ports = [{"protocol": "TCP", "port": name} for name in ("grpc", "http")]
    spec = {
        "podSelector": {"matchLabels": LABELS},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": ports}],
        "egress": [],
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", spec=spec)
