"""compose.yaml: TF Serving over the folder that holds this file."""

from export.serving.formats import has_engine
from export.serving.ledger import TF_SERVING, Ledger, Version
from export.serving.servers import modelserver, pods
from export.serving.servers.yaml_text import to_yaml

FILE = "compose.yaml"
ENGINE_BUILD_S = 300  # of one batch size; VGG13 took 244 s on an H100
PROCESSES = 4096  # threads count too, and TensorFlow makes hundreds


def compose(ledger: Ledger) -> str:
    """Return compose.yaml for the models of TF Serving."""
    models = ledger.on(TF_SERVING)
    versions = [version for model in models for version in model.loaded.values()]
    formats = [version.format for version in versions]
    service = {
        "image": modelserver.image_for(formats, ledger.image),
        "command": modelserver.flags(ledger.root),
        "environment": modelserver.environment(formats),
        # The whole folder, since a single file mounted would stay the old one when it is replaced.
        "volumes": [f".:{ledger.root}:ro"],
        # TF Serving knows no passwords, so it listens to this machine alone.
        "ports": [
            f"127.0.0.1:{port}:{port}" for port in (modelserver.GRPC_PORT, modelserver.REST_PORT)
        ],
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        **_rights(),
        "deploy": {"resources": _resources(versions)},
        "healthcheck": _healthcheck([model.name for model in models], startup_seconds(ledger)),
    }
    return to_yaml({"services": {"serving": service}})


def _rights() -> dict:
    return {
        "user": f"{modelserver.USER}:{modelserver.USER}",
        "read_only": True,
        "tmpfs": [pods.TMP["mountPath"]],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def _resources(versions: list[Version]) -> dict:
    memory = -(-pods.memory_of(versions) // pods.GI)
    found = {"limits": {"memory": f"{memory}G", "pids": PROCESSES}}
    if pods.needs_gpu(versions):
        gpu = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        found["reservations"] = {"devices": [gpu]}
    return found


def _healthcheck(names: list[str], seconds: int) -> dict:
    probe = modelserver.readiness(names).replace("$", "$$")
    return {
        "test": ["CMD", "bash", "-c", probe],
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "start_period": f"{seconds}s",
    }


def startup_seconds(ledger: Ledger) -> int:
    """Return how long a start may take: a minute, and every engine that warm-up builds."""
    engines = sum(
        len(version.batch_sizes)
        for model in ledger.on(TF_SERVING)
        for version in model.loaded.values()
        if has_engine(version.format)
    )
    return 60 + engines * ENGINE_BUILD_S
