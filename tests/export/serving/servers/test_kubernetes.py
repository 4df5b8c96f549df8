"""Manifests against Kubernetes' own schemas, and what no schema knows."""

import subprocess

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from export.contract import Contract
from export.errors import ExportError
from export.serving.bundle import render
from export.serving.ledger import Ledger, Model, Version
from export.serving.servers.kserve import LABEL, LONGEST, NAMESPACE, SERVICE, service_name
from export.serving.servers.pods import GI, memory_of

CLUSTER = "1.31"


def version(format="savedmodel", size=GI // 2):
    return Version(
        format=format,
        contract=Contract.of_classifier((224, 224, 3), 1000),
        batch_sizes=(1, 4, 8),
        bytes=size,
        files={},
    )


def ledger_of(*models):
    ledger = Ledger()
    for name, format in models:
        ledger = ledger.put(
            Model(name=name, server="tf-serving", stable=1, canary=1, versions={1: version(format)})
        )
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


@pytest.mark.parametrize("cluster", ["1.27", CLUSTER, kubernetes_validate.latest_version()])
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(made, cluster):
    own = {path: m for path, m in made.items() if not path.startswith("k")}
    assert len(own) == 7
    for manifest in own.values():
        kubernetes_validate.validate(manifest, cluster, strict=True)


def test_the_fields_that_kserve_takes_from_a_pod_are_those_of_a_pod(made):
    """KServe's schema is in no package: its predictor is a pod whose first container is `model`."""
    predictor = dict(made["kserve/vgg13.yaml"]["spec"]["predictor"])
    own = {"modelFormat", "protocolVersion", "runtimeVersion", "storageUri"}
    model = {k: v for k, v in predictor.pop("model").items() if k not in own}
    assert predictor.pop("minReplicas") == 2
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": {**predictor, "containers": [{"name": "model", **model}]},
    }
    kubernetes_validate.validate(pod, CLUSTER, strict=True)


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


def test_kserve_gets_a_name_that_kubernetes_may_spell_and_the_folder_of_the_model(made):
    service = made["kserve/squeezenet1-0.yaml"]
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service["metadata"]["name"] == "squeezenet1-0"
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "tensorflow"}
    assert model["storageUri"] == "pvc://models/squeezenet1_0"


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("VGG_13.b", "vgg-13-b"),
        ("x__", "x"),
        ("squeezenet1_0", "squeezenet1-0"),
        ("2nd_net", "model-2nd-net-82734f6b"),
        ("7", "model-7-7902699b"),
        ("a" * 80, "a" * 23 + "-0f45e858"),
        ("a" * 81, "a" * 23 + "-8c48280d"),
    ],
)
def test_names_are_spelt_as_kserve_wants_them_and_two_of_them_differently(name, spelt):
    assert service_name(name) == spelt


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_every_name_of_a_model_gives_one_that_leaves_room_for_kserve_and_a_namespace(name):
    spelt = service_name(name)
    assert SERVICE.fullmatch(spelt)
    assert len(spelt) <= LONGEST
    assert len(f"{spelt}-predictor-{'n' * NAMESPACE}") <= LABEL
    assert service_name(name) == spelt


def test_two_names_that_kubernetes_spells_alike_are_refused():
    with pytest.raises(ExportError, match="another --name"):
        manifests(ledger_of(("net_1", "savedmodel"), ("net.1", "savedmodel")))


def test_memory_covers_what_loading_was_measured_to_take():
    assert memory_of([version("tftrt-fp16", 532_000_000)]) >= 13.5e9
    assert memory_of([version("tftrt-fp16", 5_000_000)]) >= 8e9
    assert memory_of([version("savedmodel", 532_000_000)]) >= 2 * 532_000_000


def container_of(made):
    return made["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]


def test_a_pod_has_only_the_rights_it_needs(made):
    pod = made["deployment.yaml"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container_of(made)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in container_of(made)["volumeMounts"]}
    assert [path for path, read_only in mounts.items() if not read_only] == ["/tmp"]


def test_kserve_runs_its_server_with_the_same_rights(made):
    predictor = made["kserve/vgg13.yaml"]["spec"]["predictor"]
    pod = made["deployment.yaml"]["spec"]["template"]["spec"]
    for key in ("automountServiceAccountToken", "securityContext"):
        assert predictor[key] == pod[key]
    assert predictor["model"]["securityContext"] == container_of(made)["securityContext"]


def test_two_pods_are_spread_and_one_is_left_while_a_node_is_emptied(made):
    spec = made["deployment.yaml"]["spec"]
    labels = made["deployment.yaml"]["metadata"]["labels"]
    assert made["hpa.yaml"]["spec"]["minReplicas"] == 2
    assert "replicas" not in spec  # or every apply would undo what the autoscaler did
    budget = made["disruption.yaml"]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels)
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {s["topologyKey"] for s in spread} >= {"kubernetes.io/hostname"}
    assert all(s["labelSelector"]["matchLabels"] == labels for s in spread)
    assert made["volume.yaml"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_pod_ends_after_the_last_request_was_sent_to_it(made):
    pod = made["deployment.yaml"]["spec"]["template"]["spec"]
    command, seconds = container_of(made)["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 30


def test_requests_come_in_by_the_serving_ports_alone_and_nothing_goes_out(made):
    policy = made["network.yaml"]["spec"]
    assert policy["podSelector"]["matchLabels"] == made["deployment.yaml"]["metadata"]["labels"]
    (rule,) = policy["ingress"]
    names = {port["name"] for port in container_of(made)["ports"]}
    assert {port["port"] for port in rule["ports"]} == names
    assert (set(policy["policyTypes"]), policy["egress"]) == ({"Ingress", "Egress"}, [])


@pytest.mark.parametrize(("format", "gpu"), [("savedmodel", False), ("tftrt-fp16", True)])
def test_pods_with_an_engine_go_to_gpu_nodes_and_run_it_or_nothing(format, gpu):
    made = manifests(ledger_of(("vgg13", format)))
    for pod, container in (
        (made["deployment.yaml"]["spec"]["template"]["spec"], container_of(made)),
        (
            made["kserve/vgg13.yaml"]["spec"]["predictor"],
            made["kserve/vgg13.yaml"]["spec"]["predictor"]["model"],
        ),
    ):
        assert any(t["key"] == "nvidia.com/gpu" for t in pod.get("tolerations", ())) == gpu
        assert ("nodeSelector" in pod) == gpu
        variables = {entry["name"]: entry["value"] for entry in container["env"]}
        value = variables.get("TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION")
        assert value == ("False" if gpu else None)
    surge = made["deployment.yaml"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert surge == (0 if gpu else 1)


def test_the_kustomize_file_lists_all_that_lies_beside_it(made):
    beside = {path for path in made if "/" not in path} - {"kustomization.yaml"}
    assert set(made["kustomization.yaml"]["resources"]) == beside


def test_configuration_is_block_text_in_the_config_map():
    text = render(ledger_of(("vgg13", "savedmodel")))["kubernetes/configmap.yaml"]
    assert "  models.config: |\n    # Written by" in text
    assert "\\n" not in text


def test_an_image_by_digest_is_used_everywhere():
    image = "registry:5000/mirror/serving:2.21.0@sha256:" + "0" * 64
    ledger = ledger_of(("vgg13", "savedmodel"))
    made = manifests(Ledger(models=ledger.models, image=image))
    assert container_of(made)["image"] == image
    assert made["kserve/vgg13.yaml"]["spec"]["predictor"]["model"]["image"] == image
    with pytest.raises(ExportError, match="left TensorFlow in 2.18"):
        manifests(Ledger(models=ledger_of(("vgg13", "tftrt-fp16")).models, image=image))


def test_readiness_is_a_script_that_bash_reads_and_that_names_every_model(made):
    for probe in ("startupProbe", "readinessProbe"):
        bash, option, script = container_of(made)[probe]["exec"]["command"]
        assert (bash, option) == ("bash", "-c")
        assert "for model in squeezenet1_0 vgg13;" in script
        subprocess.run([bash, "-n", option, script], check=True)
