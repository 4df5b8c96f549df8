"""Fields that every pod of TF Serving has: it is not root and has enough memory to load.

One place for a Deployment of our own and for KServe, whose predictor takes the same fields.
"""

from export.serving.formats import has_engine
from export.serving.ledger import Version
from export.serving.servers import modelserver

GPU = "nvidia.com/gpu"
GPU_NODE = {"nvidia.com/gpu.present": "true"}  # the label of NVIDIA's GPU feature discovery
GI = 1 << 30
TMP = {"name": "tmp", "mountPath": "/tmp"}

# Host memory over the size of the weights. Loading constants, as TF-TRT has them, took 13.5 GB for
# VGG13 (0.53 GB), and 4.8 to 8 GB for the smallest network, whose engine build it was.
TFTRT_FACTOR, TFTRT_LEAST = 26, 8 * GI
FACTOR, LEAST = 3, GI


def needs_gpu(versions: list[Version]) -> bool:
    """Tell whether one of `versions` holds a TensorRT engine."""
    return any(has_engine(version.format) for version in versions)


def memory_of(versions: list[Version]) -> int:
    """Return the host memory, in bytes, to hold `versions` at once while the last one loads."""
    return sum(
        max(version.bytes * TFTRT_FACTOR, TFTRT_LEAST)
        if has_engine(version.format)
        else version.bytes * FACTOR + LEAST
        for version in versions
    )


def resources(versions: list[Version]) -> dict:
    """Return requests and limits: equal memory, two cores, and a GPU if one is needed.

    Processors have no limit: one would stop a server in the middle of a request.
    """
    memory = f"{-(-memory_of(versions) // GI)}Gi"
    found = {"requests": {"cpu": "2", "memory": memory}, "limits": {"memory": memory}}
    if needs_gpu(versions):
        found["limits"][GPU] = 1
    return found


def pod(versions: list[Version]) -> dict:
    """Return the fields of a pod: its user, and the nodes it may run on."""
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": modelserver.USER,
            "runAsGroup": modelserver.USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if needs_gpu(versions):
        spec["nodeSelector"] = dict(GPU_NODE)
        spec["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return spec


def container(versions: list[Version]) -> dict:
    """Return the fields of a container of TF Serving: its environment, its room, its rights."""
    formats = [version.format for version in versions]
    return {
        "env": [
            {"name": name, "value": value}
            for name, value in modelserver.environment(formats).items()
        ],
        "resources": resources(versions),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def tmp_volume() -> dict:
    """Return the one volume that can be written, for temporary files of TensorRT and CUDA."""
    return {"name": TMP["name"], "emptyDir": {"sizeLimit": "2Gi"}}
