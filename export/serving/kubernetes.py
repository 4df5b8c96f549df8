"""Kubernetes manifests: a Deployment of TF Serving with what it needs, or KServe instead of it.

The models lie on a volume claim named `models`, whose content is the folder `models/`; the
configuration is a ConfigMap, which a running server reads again.
"""

import re
from collections.abc import Mapping

from export.errors import ExportError
from export.serving import modelserver
from export.serving.compose import startup_seconds
from export.serving.ledger import TF_SERVING, Ledger, Model, Version
from export.serving.manifest import to_yaml

NAME = "tf-serving"
CONFIGS = ("models.config", "batching_parameters.txt", "monitoring.config")
CONFIG_FOLDER = "/config"
GPU = "nvidia.com/gpu"
GI = 1 << 30

# Host memory over the size of the weights. Loading constants, as TF-TRT has them, took 13.5 GB for
# VGG13 (0.53 GB), and 4.8 to 8 GB for the smallest network, whose engine build it was.
TFTRT_FACTOR, TFTRT_LEAST = 26, 8 * GI
FACTOR, LEAST = 3, GI


def manifests(ledger: Ledger, files: Mapping[str, str]) -> dict[str, str]:
    """Return the manifests as path -> YAML; `files` holds the text of the CONFIGS.

    Raises ExportError where two models have the same name once Kubernetes may spell it.
    """
    models = ledger.on(TF_SERVING)
    names = [dns_name(model.name) for model in models]
    if len(set(names)) < len(names):
        raise ExportError(
            f"Kubernetes cannot tell {', '.join(sorted(m.name for m in models))} apart; "
            "serve one of them under another --name"
        )
    made = {
        "configmap": _config_map(files),
        "volume": _volume_claim(models),
        "deployment": _deployment(ledger),
        "service": _service(),
        "hpa": _autoscaler(),
    }
    texts = {f"kubernetes/{name}.yaml": to_yaml(manifest) for name, manifest in made.items()}
    for model, name in zip(models, names, strict=True):
        texts[f"kubernetes/kserve/{name}.yaml"] = to_yaml(_inference_service(model, name))
    return texts


def dns_name(name: str) -> str:
    """Spell a model's name as Kubernetes wants names: lower case, digits and '-', 63 at most."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].rstrip("-")


def memory_of(versions) -> int:
    """Return the host memory, in bytes, to hold `versions` at once while the last one loads."""
    return sum(
        max(version.bytes * TFTRT_FACTOR, TFTRT_LEAST)
        if version.format.startswith("tftrt")
        else version.bytes * FACTOR + LEAST
        for version in versions
    )


def _versions(models) -> list[Version]:
    return [version for model in models for version in model.loaded.values()]


def _resources(versions) -> dict:
    memory = f"{-(-memory_of(versions) // GI)}Gi"
    resources = {"requests": {"cpu": "2", "memory": memory}, "limits": {"memory": memory}}
    if any(version.format.startswith("tftrt") for version in versions):
        resources["limits"][GPU] = 1
    return resources


def _metadata(name: str = NAME) -> dict:
    return {"name": name, "labels": {"app.kubernetes.io/name": name}}


def _config_map(files: Mapping[str, str]) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(),
        "data": {name: files[name] for name in CONFIGS},
    }


def _volume_claim(models) -> dict:
    size = sum(version.bytes for model in models for version in model.versions.values())
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata("models"),
        "spec": {
            # Several pods read; where a storage class cannot, one node and ReadWriteOnce will do.
            "accessModes": ["ReadOnlyMany", "ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{-(-size * 4 // GI)}Gi"}},
        },
    }


def _deployment(ledger: Ledger) -> dict:
    models = ledger.on(TF_SERVING)
    # The list of models answers as soon as the port is open, the metadata once a version is loaded.
    ready = {"path": f"/v1/models/{models[0].name}/metadata", "port": "http"}
    container = {
        "name": "serving",
        "image": modelserver.image_for(version.format for version in _versions(models)),
        "args": modelserver.flags(CONFIG_FOLDER),
        "ports": [
            {"name": "grpc", "containerPort": modelserver.GRPC_PORT},
            {"name": "http", "containerPort": modelserver.REST_PORT},
        ],
        "startupProbe": {
            "httpGet": ready,
            "periodSeconds": 10,
            "failureThreshold": -(-startup_seconds(ledger) // 10),
        },
        "readinessProbe": {"httpGet": ready, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 20},
        "resources": _resources(_versions(models)),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "models", "mountPath": f"{ledger.root}/models", "readOnly": True},
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
        ],
    }
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(modelserver.REST_PORT),
        "prometheus.io/path": modelserver.METRICS,
    }
    labels = _metadata()["labels"]
    claim = {"claimName": "models", "readOnly": True}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(),
        "spec": {
            "selector": {"matchLabels": labels},
            # No replicas: the autoscaler owns them.
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "containers": [container],
                    "volumes": [
                        {"name": "models", "persistentVolumeClaim": claim},
                        {"name": "config", "configMap": {"name": NAME}},
                    ],
                },
            },
        },
    }


def _service() -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(),
        "spec": {
            "selector": _metadata()["labels"],
            # Headless: a gRPC client holds one connection, and must see every pod to use them all.
            "clusterIP": "None",
            "ports": [
                {"name": "grpc", "port": modelserver.GRPC_PORT, "targetPort": "grpc"},
                {"name": "http", "port": modelserver.REST_PORT, "targetPort": "http"},
            ],
        },
    }


def _autoscaler() -> dict:
    target = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _inference_service(model: Model, name: str) -> dict:
    """KServe runs one model in one server, and names it after the service."""
    versions = list(model.loaded.values())
    tag = modelserver.image_for(version.format for version in versions).split(":")[1]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": _metadata(name),
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": "tensorflow"},
                    "protocolVersion": "v1",
                    "runtimeVersion": tag,
                    "storageUri": f"pvc://models/{model.name}",
                    # Its own arguments name the model and the ports; no file of labels is read.
                    "args": [
                        "--enable_batching=true",
                        "--enable_per_model_batching_parameters=true",
                    ],
                    "resources": _resources(versions),
                }
            }
        },
    }
