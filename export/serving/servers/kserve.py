"""KServe: one InferenceService for each model, under a name that Kubernetes may spell."""

import hashlib
import re

from export.errors import ExportError
from export.serving.ledger import Ledger, Model
from export.serving.servers import modelserver, pods

# KServe's host is <name>-predictor-<namespace>, a label of DNS: 63 characters. This leaves the
# namespace 20 of them.
LABEL, SUFFIX, NAMESPACE = 63, "-predictor-", 20
LONGEST = LABEL - len(SUFFIX) - NAMESPACE
HASH = 8
SERVICE = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")  # RFC 1035, as KServe wants it


def service_name(name: str) -> str:
    """Spell a model's name as KServe wants names: a letter, then lower case, digits and '-'.

    A name that is too long, or begins with no letter, gets a part of its hash to stay unique.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if len(plain) <= LONGEST and SERVICE.fullmatch(plain):
        return plain
    sha = hashlib.sha256(name.encode()).hexdigest()[:HASH]
    begin = plain if SERVICE.match(plain) else f"model-{plain}"
    return f"{begin[: LONGEST - HASH - 1].rstrip('-')}-{sha}"


def service_names(models: tuple[Model, ...]) -> dict[str, str]:
    """Return model -> name of its InferenceService.

    Raises ExportError if two models would have the same.
    """
    names = {model.name: service_name(model.name) for model in models}
    for spelt in set(names.values()):
        alike = sorted(name for name, other in names.items() if other == spelt)
        if len(alike) > 1:
            raise ExportError(
                f"Kubernetes cannot tell {', '.join(alike)} apart, because it spells each {spelt}; "
                "serve one of them under another --name"
            )
    return names


def inference_service(ledger: Ledger, model: Model, name: str) -> dict:
    """KServe runs one model in one server, and names it after the service."""
    versions = list(model.loaded.values())
    image = modelserver.image_for((v.format for v in versions), ledger.image)
    server = pods.container(versions)
    if ledger.image:
        server["image"] = image
    else:
        server["runtimeVersion"] = modelserver.tag_of(image)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "predictor": {
                "minReplicas": 2,
                **pods.pod(versions),
                "model": {
                    "modelFormat": {"name": "tensorflow"},
                    "protocolVersion": "v1",
                    "storageUri": f"pvc://models/{model.name}",
                    # Its own arguments name the model and the ports; no file of labels is read.
                    "args": [
                        "--enable_batching=true",
                        "--enable_per_model_batching_parameters=true",
                    ],
                    **server,
                    "volumeMounts": [pods.TMP],
                },
                "volumes": [pods.tmp_volume()],
            }
        },
    }
