"""TensorFlow Serving itself: which image can load which graph, and how it is started."""

import re
from collections.abc import Iterable

from export.errors import ExportError
from export.serving.formats import has_engine

IMAGE = "tensorflow/serving:2.21.0"
TFTRT_IMAGE = "tensorflow/serving:2.17.0-gpu"  # the last whose TensorFlow has TF-TRT
GRPC_PORT, REST_PORT = 8500, 8501
METRICS = "/monitoring/prometheus/metrics"
CONFIG_POLL_S = 30
USER = 65532  # nobody's number in the image; files of the folder are readable by all

# A TensorRT engine that cannot be built or run is then an error, which stops a version from
# loading. Without it TF-TRT runs the FP32 graph instead and says so in a log at most.
ENGINE_OR_NOTHING = ("TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION", "False")

# The image has bash but no curl. A version that is still loading says "LOADING".
READINESS = (
    "for model in {names}; do exec 3<>/dev/tcp/127.0.0.1/{port} && "
    "printf 'GET /v1/models/%s HTTP/1.0\\r\\n\\r\\n' $model >&3 && "
    "grep -q '\"AVAILABLE\"' <&3 || exit 1; done"
)

# Registered ops of TensorFlow 2.17.1 against those of 2.21.0.
TFTRT_OPS = frozenset(
    (
        "CreateTRTResourceHandle",
        "GetCalibrationDataOp",
        "InitializeTRTResource",
        "SerializeTRTResource",
        "TRTEngineOp",
    )
)
NEWER_OPS = frozenset(
    (
        "CheckPinned",
        "DecodeJxl",
        "DecodeWebP",
        "TPUDummyInput",
        "XlaSparseActivationsUnstack",
        "XlaSparseGradientsStack",
    )
)
_TAG = re.compile(r"(?P<name>[^@]+?)(?::(?P<tag>[^:@/]+))?(?:@.+)?")  # a registry may have a port
_VERSION = re.compile(r"(?P<major>\d+)\.(?P<minor>\d+)(?:\.\d+)?(?P<gpu>.*-gpu)?.*")


def image_for(formats: Iterable[str], chosen: str = "") -> str:
    """Return the image that loads every one of `formats`: `chosen`, or the toolkit's own.

    TF-TRT decides, because 2.17 also loads what TensorFlow 2.21 saves. Raises ExportError if the
    chosen one lacks what TF-TRT needs.
    """
    tftrt = any(map(has_engine, formats))
    if tftrt and chosen and (reasons := explain_ops(chosen, TFTRT_OPS)):
        raise ExportError(f"{reasons[0]}, or --image default")
    return chosen or (TFTRT_IMAGE if tftrt else IMAGE)


def tag_of(image: str) -> str:
    """Return the tag of `image`, "latest" where it has none."""
    found = _TAG.fullmatch(image)
    return (found["tag"] if found else None) or "latest"


def environment(formats: Iterable[str]) -> dict[str, str]:
    """Return the environment of a server that loads `formats`, under a root it cannot write."""
    name, value = ENGINE_OR_NOTHING
    engine = {name: value} if any(map(has_engine, formats)) else {}
    return {"HOME": "/tmp"} | engine


def readiness(names: Iterable[str], port: int = REST_PORT) -> str:
    """Return a line of bash that succeeds once each model of `names` has a version available."""
    return READINESS.format(names=" ".join(names), port=port)


def check_image(image: str) -> str:
    """Return `image` if it names an image of TF Serving with a tag, a digest after it or none.

    Raises ValueError: without a tag nobody could tell which TensorFlow is in it.
    """
    found = _TAG.fullmatch(image) if re.fullmatch(r"[\w./:@-]+", image, re.ASCII) else None
    if found is None or not found["tag"] or not _VERSION.fullmatch(found["tag"]):
        raise ValueError(
            f"an image has a tag that begins with its release, such as {IMAGE}@sha256:<digest>. "
            f"Received: {image!r:.200}"
        )
    return image


def flags(configs: str) -> list[str]:
    """Return the arguments of tensorflow_model_server, whose files lie in the folder `configs`."""
    return [
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--model_config_file={configs}/models.config",
        # A new version, model or label is picked up without a restart.
        f"--model_config_file_poll_wait_seconds={CONFIG_POLL_S}",
        # At start no version is available yet, and labels would be refused.
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        f"--batching_parameters_file={configs}/batching_parameters.txt",
        # Each version brings the batch sizes its engine is built for; threads stay shared.
        "--enable_per_model_batching_parameters=true",
        f"--monitoring_config_file={configs}/monitoring.config",
    ]


def explain_ops(image: str, ops: frozenset[str]) -> list[str]:
    """Return a line for each reason why `image` cannot load a graph of `ops`; none if it can."""
    found = _TAG.fullmatch(image)
    tag = _VERSION.fullmatch(found["tag"] or "latest") if found else None
    release = (int(tag["major"]), int(tag["minor"])) if tag else None
    reasons = []
    if missing := sorted(ops & TFTRT_OPS):
        if release is None or release > (2, 17):
            reasons.append(
                f"{image} lacks {', '.join(missing)}: TF-TRT left TensorFlow in 2.18, so loading "
                "fails with \"Op type not registered 'CreateTRTResourceHandle'\"; "
                f"use {TFTRT_IMAGE}"
            )
        elif not tag["gpu"]:
            reasons.append(
                f"{image} is built without TensorRT and lacks {', '.join(missing)}; "
                f"use {TFTRT_IMAGE}"
            )
    if release is not None and release <= (2, 17) and (missing := sorted(ops & NEWER_OPS)):
        reasons.append(f"{image} is older than {', '.join(missing)}; use {IMAGE}")
    return reasons
