"""compose.yaml: TF Serving over the folder that holds this file."""

from export.serving import modelserver
from export.serving.ledger import TF_SERVING, Ledger
from export.serving.manifest import to_yaml

FILE = "compose.yaml"

# The image has bash but no curl. A version that is still loading says "LOADING".
PROBE = (
    "exec 3<>/dev/tcp/127.0.0.1/{port} && "
    "printf 'GET /v1/models/{name} HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '\"AVAILABLE\"' <&3"
)
ENGINE_BUILD_S = 300  # of one batch size; VGG13 took 244 s on an H100


def compose(ledger: Ledger) -> str:
    """Return compose.yaml for the models of TF Serving."""
    models = ledger.on(TF_SERVING)
    versions = [version for model in models for version in model.loaded.values()]
    image = modelserver.image_for(version.format for version in versions)
    probe = " && ".join(
        f"( {PROBE.format(port=modelserver.REST_PORT, name=model.name)} )" for model in models
    )
    service = {
        "image": image,
        "command": modelserver.flags(ledger.root),
        # The whole folder, since a single file mounted would stay the old one when it is replaced.
        "volumes": [f".:{ledger.root}:ro"],
        # TF Serving knows no passwords, so it listens to this machine alone.
        "ports": [
            f"127.0.0.1:{port}:{port}" for port in (modelserver.GRPC_PORT, modelserver.REST_PORT)
        ],
        "restart": "unless-stopped",
        "healthcheck": {
            "test": ["CMD", "bash", "-c", probe.replace("$", "$$")],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{startup_seconds(ledger)}s",
        },
    }
    if image == modelserver.TFTRT_IMAGE:
        gpu = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [gpu]}}}
    return to_yaml({"services": {"serving": service}})


def startup_seconds(ledger: Ledger) -> int:
    """Return how long a start may take: a minute, and every engine that warm-up builds."""
    engines = sum(
        len(version.batch_sizes)
        for model in ledger.on(TF_SERVING)
        for version in model.loaded.values()
        if version.format.startswith("tftrt")
    )
    return 60 + engines * ENGINE_BUILD_S
