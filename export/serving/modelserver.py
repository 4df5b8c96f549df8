"""TensorFlow Serving itself: which image can load which graph, and how it is started."""

import re
from collections.abc import Iterable

IMAGE = "tensorflow/serving:2.21.0"
TFTRT_IMAGE = "tensorflow/serving:2.17.0-gpu"  # the last whose TensorFlow has TF-TRT
GRPC_PORT, REST_PORT = 8500, 8501
METRICS = "/monitoring/prometheus/metrics"
CONFIG_POLL_S = 30

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


def image_for(formats: Iterable[str]) -> str:
    """Return the image that loads every one of `formats`.

    TF-TRT decides, for 2.17 also loads what TensorFlow 2.21 saves.
    """
    return TFTRT_IMAGE if any(f.startswith("tftrt") for f in formats) else IMAGE


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
