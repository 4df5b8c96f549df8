"""Manifests against Kubernetes' own schemas, and what no schema knows."""

import kubernetes_validate
import pytest
import yaml

from export.errors import ExportError
from export.serving.bundle import render
from export.serving.kubernetes import GI, dns_name, memory_of
from export.serving.ledger import Ledger, Model, Version

CLUSTER = "1.31"


def version(format="savedmodel", size=GI // 2):
    return Version(format, (224, 224, 3), 1000, (1, 4, 8), size, {})


def ledger_of(*models):
    ledger = Ledger()
    for name, format in models:
        ledger = ledger.put(Model(name, "tf-serving", 1, 1, {1: version(format)}))
    return ledger


def manifests(ledger):
    return {
        path.removeprefix("kubernetes/"): yaml.safe_load(text)
        for path, text in render(ledger).items()
        if path.startswith("kubernetes/")
    }


@pytest.fixture(params=["savedmodel", "tftrt-fp16"])
def made(request):
    return manifests(ledger_of(("squeezenet1_0", request.param), ("vgg13", "savedmodel")))


def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(made):
    own = {path: m for path, m in made.items() if not path.startswith("kserve/")}
    assert len(own) == 5
    for manifest in own.values():
        kubernetes_validate.validate(manifest, CLUSTER, strict=True)


def test_a_manifest_with_a_wrong_field_would_not_be_valid(made):
    made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]["imagine"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(made["deployment.yaml"], CLUSTER, strict=True)


def test_names_refer_to_each_other(made):
    pod = made["deployment.yaml"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert made["deployment.yaml"]["spec"]["selector"]["matchLabels"] == labels
    assert made["service.yaml"]["spec"]["selector"] == labels
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == made["configmap.yaml"]["metadata"]["name"]
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == made["volume.yaml"]["metadata"]["name"]
    target = made["hpa.yaml"]["spec"]["scaleTargetRef"]
    assert target["name"] == made["deployment.yaml"]["metadata"]["name"]
    container = pod["spec"]["containers"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in made["service.yaml"]["spec"]["ports"]} == ports


def test_every_file_that_a_flag_names_is_mounted(made):
    container = made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    files = {a.split("=")[1].removeprefix("/config/") for a in container["args"] if "/config/" in a}
    assert files == set(made["configmap.yaml"]["data"])
    assert "/bundle/models/vgg13" in made["configmap.yaml"]["data"]["models.config"]
    assert "/bundle/models" in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize(("format", "gpus"), [("savedmodel", None), ("tftrt-fp16", 1)])
def test_only_tftrt_asks_for_a_gpu_and_for_the_image_that_loads_it(format, gpus):
    made = manifests(ledger_of(("vgg13", format)))
    container = made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"].get("nvidia.com/gpu") == gpus
    assert container["image"].endswith(":2.17.0-gpu") == bool(gpus)
    service = made["kserve/vgg13.yaml"]["spec"]["predictor"]["model"]
    assert service["resources"]["limits"].get("nvidia.com/gpu") == gpus
    assert service["runtimeVersion"] == container["image"].split(":")[1]


def test_a_start_may_take_as_long_as_its_engines_take_to_build():
    def seconds(format):
        made = manifests(ledger_of(("vgg13", format)))["deployment.yaml"]
        probe = made["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
        return probe["periodSeconds"] * probe["failureThreshold"]

    assert seconds("savedmodel") == 60
    assert seconds("tftrt-fp16") >= 3 * 244  # three batch sizes of VGG13


def test_readiness_asks_for_a_version_that_is_loaded(made):
    container = made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    path = container["readinessProbe"]["httpGet"]["path"]
    assert path == "/v1/models/squeezenet1_0/metadata"


def test_kserve_gets_a_name_that_kubernetes_may_spell_and_the_folder_of_the_model(made):
    service = made["kserve/squeezenet1-0.yaml"]
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service["metadata"]["name"] == "squeezenet1-0"
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "tensorflow"}
    assert model["storageUri"] == "pvc://models/squeezenet1_0"


@pytest.mark.parametrize(
    ("name", "spelt"), [("VGG_13.b", "vgg-13-b"), ("a" * 80, "a" * 63), ("x__", "x")]
)
def test_names_are_spelt_as_kubernetes_wants_them(name, spelt):
    assert dns_name(name) == spelt


def test_two_names_that_kubernetes_spells_alike_are_refused():
    with pytest.raises(ExportError, match="another --name"):
        manifests(ledger_of(("net_1", "savedmodel"), ("net.1", "savedmodel")))


def test_memory_covers_what_loading_was_measured_to_take():
    assert memory_of([version("tftrt-fp16", 532_000_000)]) >= 13.5e9
    assert memory_of([version("tftrt-fp16", 5_000_000)]) >= 8e9
    assert memory_of([version("savedmodel", 532_000_000)]) >= 2 * 532_000_000
