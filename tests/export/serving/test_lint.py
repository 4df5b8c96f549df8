"""Each way to spoil a serving folder is found, and said with what it leads to."""

import shutil

import pytest
import yaml
from google.protobuf import text_format
from toy_artifact import make_onnx, make_tftrt, make_toy

from export.errors import ExportError
from export.serving.bundle import add
from export.serving.lint import RULES, lint
from export.serving.protos import messages
from export.serving.servers import modelserver
from export.serving.tfrecord import read_records, write_records

VERSION = "models/toy/1"
WARMUP = f"{VERSION}/assets.extra/tf_serving_warmup_requests"
SIZES = f"{VERSION}/batching_params.pbtxt"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A folder of a SavedModel, a TF-TRT graph and an ONNX file, with nothing wrong."""
    out = tmp_path_factory.mktemp("clean")
    add(make_toy(out / "exports"), out / "deploy")
    add(make_tftrt(out / "exports", model="fast"), out / "deploy")
    add(make_onnx(out / "exports"), out / "deploy")
    return out / "deploy"


@pytest.fixture
def folder(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "deploy")
    return tmp_path / "deploy"


def edit(name, old, new):
    """Return what replaces `old` by `new` in the file `name`."""

    def spoil(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return spoil


def write(name, content=b""):
    def spoil(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return spoil


def remove(name):
    def spoil(folder):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def move(name, to):
    def spoil(folder):
        (folder / to).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(folder / to)

    return spoil


def rewrite_warmup(change):
    """Return what runs `change` over the list of PredictionLogs of the toy."""

    def spoil(folder):
        logs = [messages().PredictionLog.FromString(r) for r in read_records(folder / WARMUP)]
        logs = change(logs) or logs
        write_records(folder / WARMUP, [log.SerializeToString() for log in logs])

    return spoil


def first_request(change):
    return rewrite_warmup(lambda logs: change(logs[0].predict_log.request))


def rename_input(request):
    request.inputs["picture"].CopyFrom(request.inputs["encoded"])
    del request.inputs["encoded"]


def set_signature(request):
    request.model_spec.signature_name = "predict"


def set_dtype(request):
    request.inputs["encoded"].dtype = 1


def set_rank(request):
    request.inputs["encoded"].tensor_shape.dim.add(size=3)


def set_filter(request):
    request.output_filter.append("logits")


def set_batch(request):
    request.inputs["encoded"].tensor_shape.dim[0].size = 9


def drop_field(folder):
    (folder / WARMUP).write_bytes((folder / WARMUP).read_bytes()[:-10])


def bury(folder):
    (folder / VERSION).rename(folder / "models/toy/x")
    (folder / VERSION).mkdir()
    (folder / "models/toy/x").rename(folder / VERSION / "1")


def lose(key):
    """Return what takes `key` out of the ConfigMap."""

    def spoil(folder):
        path = folder / "kubernetes/configmap.yaml"
        manifest = yaml.safe_load(path.read_text())
        del manifest["data"][key]
        path.write_text(yaml.safe_dump(manifest))

    return spoil


def flip_byte(folder):
    data = bytearray((folder / WARMUP).read_bytes())
    data[40] ^= 1
    (folder / WARMUP).write_bytes(data)


DAMAGE = {
    "no models.config": (remove("models.config"), "serves nothing"),
    "no text proto": (edit("models.config", "config {", "conf {"), "no ModelServerConfig"),
    "models.config in UTF-16": (write("models.config", b"\xff\xfea"), "no ModelServerConfig"),
    "no platform": (edit("models.config", 'model_platform: "tensorflow"', ""), "platform ''"),
    "elsewhere": (edit("models.config", "/bundle/models/toy", "/models/toy"), "outside '/bundle'"),
    "one name twice": (edit("models.config", 'name: "fast"', 'name: "toy"'), "'toy' 2 times"),
    "a name for no URL": (edit("models.config", 'name: "toy"', 'name: "my toy"'), "a URL cannot"),
    "missing model": (edit("models.config", "models/toy", "models/tot"), "opens no port"),
    "not served": (edit("models.config", "models/toy", "models/tot"), "is not served"),
    "missing version": (edit("models.config", "versions: 1", "versions: 2"), "loads version 2"),
    "loose label": (edit("models.config", "value: 1", "value: 3"), "'stable', which is not loaded"),
    "no label flag": (
        edit("compose.yaml", "--allow_version", "--allow_a_version"),
        "lacks --allow",
    ),
    "batching off": (
        edit("compose.yaml", "--enable_batching=true", "--enable_batching=false"),
        "refuses the --batching_parameters_file",
    ),
    "versions' sizes ignored": (
        edit("compose.yaml", "--enable_per_model", "--enable_a_model"),
        "the batch sizes of each version are ignored",
    ),
    "warm-up off": (
        edit("kubernetes/deployment.yaml", "--enable_batching=true", "--enable_model_warmup=false"),
        "turns --enable_model_warmup off",
    ),
    "no batching_parameters.txt": (
        remove("batching_parameters.txt"),
        "is missing, and compose.yaml names it",
    ),
    "no monitoring.config": (
        remove("monitoring.config"),
        "is missing, and compose.yaml names it",
    ),
    "not in the ConfigMap": (lose("monitoring.config"), "lacks monitoring.config"),
    "metrics off": (edit("monitoring.config", "enable: true", ""), "no metrics"),
    "metrics broken": (write("monitoring.config", b"prometheus"), "no MonitoringConfig"),
    "version called v1": (move(VERSION, "models/toy/v1"), "name is a number"),
    "version twice": (lambda f: shutil.copytree(f / VERSION, f / "models/toy/01"), "second time"),
    "version a file": (write("models/toy/2"), "is a file"),
    "no version": (remove(VERSION), "has no version to load"),
    "too deep": (bury, "one folder too deep"),
    "no graph": (remove(f"{VERSION}/saved_model.pb"), "no saved_model.pb"),
    "graph broken": (write(f"{VERSION}/saved_model.pb", b"\x12\xff"), "is no SavedModel"),
    "graph empty": (write(f"{VERSION}/saved_model.pb"), "is no SavedModel"),
    "no variables": (remove(f"{VERSION}/variables"), "its variables are missing"),
    "no data of variables": (
        remove(f"{VERSION}/variables/variables.data-00000-of-00001"),
        "its variables are missing",
    ),
    "changed": (write(f"{VERSION}/fingerprint.pb", b"x"), "has changed since"),
    "unverified": (
        lambda f: shutil.copytree(f / VERSION, f / "models/toy/5"),
        "nothing verified it",
    ),
    "ledger broken": (write("bundle.json", b"{"), "cannot read"),
    "ledger of other types": (
        edit("bundle.json", '"batch_sizes": [', '"batch_sizes": [[1],'),
        "no ledger",
    ),
    "ledger without a root": (edit("bundle.json", '"/bundle"', '""'), "an absolute path"),
    "sizes descend": (edit(SIZES, "sizes: 1", "sizes: 5"), "should ascend"),
    "last is not largest": (edit(SIZES, "value: 8", "value: 16"), "the model does not load"),
    "not the engine's": (
        edit("models/fast/1/batching_params.pbtxt", "sizes: 4", "sizes: 6"),
        "builds another engine",
    ),
    "server not the engine's": (
        edit("batching_parameters.txt", "sizes: 4", "sizes: 6"),
        "allows batches of [6], and fast version 1",
    ),
    "no sizes": (write(SIZES, b"max_batch_size { value: 8 }"), "no allowed_batch_sizes"),
    "no batching": (remove(SIZES), "are not batched"),
    "batching broken": (write("batching_parameters.txt", b"max: 8"), "no BatchingParameters"),
    "no threads": (
        edit(
            "batching_parameters.txt", "max_enqueued", "num_batch_threads { value: 0 } max_enqueued"
        ),
        "num_batch_threads below 1",
    ),
    "no warm-up": (remove(WARMUP), "the first request of every batch size"),
    "warm-up in assets": (
        move(WARMUP, f"{VERSION}/assets/tf_serving_warmup_requests"),
        "is never read",
    ),
    "warm-up beside models": (write("assets.extra/tf_serving_warmup_requests"), "is never read"),
    "warm-up with an ending": (write(f"{WARMUP}.tfrecord"), "is never read"),
    "warm-up cut short": (drop_field, "ends in the middle of a record"),
    "warm-up corrupt": (flip_byte, "checksum is wrong"),
    "warm-up is text": (write(WARMUP, b"warm-up requests go here"), "no TFRecord file"),
    "too many records": (rewrite_warmup(lambda logs: logs[:1] * 1001), "more than 1000 records"),
    "blank record": (
        rewrite_warmup(lambda logs: [*logs, messages().PredictionLog()]),
        "record 7 is a blank, which warms nothing",
    ),
    "no log": (
        lambda f: write_records(f / WARMUP, [b"\xff\xff\xff"]),
        "no PredictionLog",
    ),
    "wrong signature": (first_request(set_signature), "names the signature 'predict'"),
    "wrong input": (first_request(rename_input), "feeds ['picture'], not ['encoded']"),
    "wrong dtype": (first_request(set_dtype), "DT_FLOAT, not DT_STRING"),
    "wrong output": (first_request(set_filter), "asks for ['logits'], not of ['labels'"),
    "wrong rank": (first_request(set_rank), "of shape (1, 3), not (-1,)"),
    "batch too large": (first_request(set_batch), "a batch of 9"),
    "cold batch": (rewrite_warmup(lambda logs: logs[1:]), "leaves classify cold at batches of [1]"),
    "new image": (edit("compose.yaml", "2.17.0", "2.18.0"), "TF-TRT left TensorFlow in 2.18"),
    "latest image": (edit("compose.yaml", "2.17.0-gpu", "latest"), "CreateTRTResourceHandle"),
    "image without TensorRT": (edit("compose.yaml", "2.17.0-gpu", "2.17.0"), "without TensorRT"),
    "new image in Kubernetes": (
        edit("kubernetes/deployment.yaml", "2.17.0-gpu", "2.21.0-gpu"),
        "use tensorflow/serving:2.17.0-gpu",
    ),
    "new image in KServe": (
        edit("kubernetes/kserve/fast.yaml", "2.17.0-gpu", "2.21.0-gpu"),
        "use tensorflow/serving:2.17.0-gpu",
    ),
    "no GPU in compose": (edit("compose.yaml", "deploy:", "deplore:"), "without a GPU"),
    "no GPU in Kubernetes": (
        edit("kubernetes/deployment.yaml", "nvidia.com/gpu", "amd.com/gpu"),
        "without a GPU",
    ),
    "no engine in compose": (
        edit("compose.yaml", "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION: 'False'", "A: 'b'"),
        "fast is served in FP32 in silence",
    ),
    "no engine in Kubernetes": (
        edit("kubernetes/deployment.yaml", "value: 'False'", "value: 'True'"),
        "TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False",
    ),
    "no engine in KServe": (
        edit("kubernetes/kserve/fast.yaml", "value: 'False'", "value: '1'"),
        "fast is served in FP32 in silence",
    ),
    "one model is not asked": (
        edit("kubernetes/deployment.yaml", "for model in fast toy", "for model in toy"),
        "a readinessProbe that does not ask for fast",
    ),
    "health without one model": (
        edit("compose.yaml", "for model in fast toy", "for model in fast"),
        "a healthcheck that does not ask for toy",
    ),
    "no health": (edit("compose.yaml", "healthcheck:", "healthy:"), "has no healthcheck"),
    "root in compose": (edit("compose.yaml", "user: 65532:65532", "user: root"), "runs as root"),
    "root file system": (edit("compose.yaml", "read_only: true", "read_only: no"), "can write to"),
    "capabilities": (edit("compose.yaml", "- ALL", "- NET_RAW"), "cap_drop is not [ALL]"),
    "new privileges": (edit("compose.yaml", "no-new-priv", "new-priv"), "may gain privileges"),
    "no memory limit": (edit("compose.yaml", "memory:", "mem:"), "no limit of memory"),
    "root in Kubernetes": (
        edit("kubernetes/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        "may run as root",
    ),
    "root in KServe": (
        edit("kubernetes/kserve/toy.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        "may run as root",
    ),
    "writable root": (
        edit("kubernetes/deployment.yaml", "readOnlyRootFilesystem", "readOnlyRoot"),
        "can write to its root file system",
    ),
    "escalation": (
        edit("kubernetes/deployment.yaml", "Escalation: false", "Escalation: true"),
        "allowPrivilegeEscalation is not false",
    ),
    "kept capabilities": (
        edit("kubernetes/deployment.yaml", "- ALL", "- NET_RAW"),
        "drop is not [ALL]",
    ),
    "any system call": (
        edit("kubernetes/deployment.yaml", "RuntimeDefault", "Unconfined"),
        "may make any system call",
    ),
    "a token": (
        edit("kubernetes/deployment.yaml", "Token: false", "Token: true"),
        "a token of the cluster",
    ),
    "one node's claim": (
        edit("kubernetes/volume.yaml", "ReadWriteMany", "ReadWriteOnce"),
        "those on other nodes never start",
    ),
    "a claim of two modes": (
        edit("kubernetes/volume.yaml", "- ReadWriteMany", "- ReadOnlyMany\n  - ReadWriteOnce"),
        "a storage class that has all of ReadOnlyMany, ReadWriteOnce",
    ),
    "service with a capital": (
        edit("kubernetes/kserve/toy.yaml", "  name: toy", "  name: Toy"),
        "a letter first",
    ),
    "service too long": (
        edit("kubernetes/kserve/toy.yaml", "  name: toy", f"  name: {'t' * 50}"),
        "over the 63 characters of DNS",
    ),
    "not kustomized": (
        edit("kubernetes/kustomization.yaml", "- network.yaml\n", ""),
        "leaves out network.yaml",
    ),
    "kustomized and gone": (
        remove("kubernetes/network.yaml"),
        "lists network.yaml, which is not here",
    ),
    "old ConfigMap": (edit("monitoring.config", "metrics", "numbers"), "another monitoring.config"),
    "one file mounted": (
        edit("compose.yaml", ".:/bundle:ro", "models.config:/bundle/models.config"),
        "mount the folder",
    ),
    "no YAML": (write("compose.yaml", b"a: [1"), "is not YAML"),
    "no mapping": (write("compose.yaml", b"- 1"), "holds no mapping"),
    "not merged": (write("compose.yaml.new"), "waits to be merged"),
    "closed to the server": (
        lambda f: (f / VERSION / "saved_model.pb").chmod(0o600),
        "runs as another user: chmod -R a+rX, so version 1 of toy does not load",
    ),
    "a closed folder": (
        lambda f: (f / VERSION / "variables").chmod(0o700),
        "so version 1 of toy does not load",
    ),
    "a closed file": (lambda f: (f / "models.config").chmod(0o600), "readable by its owner alone"),
    "a linked file": (
        lambda f: (
            (f / VERSION / "fingerprint.pb").rename(f / "fingerprint"),
            (f / VERSION / "fingerprint.pb").symlink_to(f / "fingerprint"),
        ),
        "is a link, and leads out",
    ),
    "no Triton config": (remove("triton/toy/config.pbtxt"), "Triton passes the model over"),
    "Triton config broken": (write("triton/toy/config.pbtxt", b"nome: 1"), "no ModelConfig"),
    "Triton name": (edit("triton/toy/config.pbtxt", '"toy"', '"tot"'), "its folder is 'toy'"),
    "no Triton model": (remove("triton/toy/1/model.onnx"), "is missing"),
    "Triton batch": (
        edit("triton/toy/config.pbtxt", "max_batch_size: 8", "max_batch_size: 4"),
        "over max_batch",
    ),
    "Triton cold": (
        edit("triton/toy/config.pbtxt", "preferred_batch_size: 4", "preferred_batch_size: 6"),
        "leaves batches of [6]",
    ),
}


def test_a_clean_folder_has_no_finding(clean):
    assert lint(clean) == []


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(folder, name):
    spoil, text = DAMAGE[name]
    spoil(folder)
    texts = [finding.text for finding in lint(folder)]
    assert any(text in found for found in texts), texts


@pytest.mark.parametrize(
    "text",
    [
        b"services: []",
        b"services: {serving: 1}",
        b"services: {a: {image: [1]}}",
        b"services: {a: {image: tensorflow/serving, command: x, volumes: 3}}",
        b"services: {a: {image: tensorflow/serving:1-gpu, deploy: [], resources: 1}}",
        b"spec: {template: {spec: {containers: {a: b}}}}",
        b"spec: {template: {spec: {containers: [{image: tensorflow/serving, env: 3}]}}}",
        b"services: {a: {image: tensorflow/serving, user: [], cap_drop: 1, healthcheck: 3}}",
        b"apiVersion: kustomize.config.k8s.io/v1\nresources: 3",
        b"kind: PersistentVolumeClaim\nspec: {accessModes: 3, replicas: x}",
        b"kind: ConfigMap\ndata: 3",
        b"kind: InferenceService\nspec: {predictor: []}",
        b"kind: InferenceService\nspec: {predictor: {model: {modelFormat: {name: tensorflow}}}}",
    ],
)
def test_any_yaml_is_survived(folder, text):
    (folder / "compose.yaml").write_bytes(text)
    (folder / "kubernetes" / "configmap.yaml").write_bytes(text)
    lint(folder)


def test_a_request_without_a_signature_warms_the_default_one(folder):
    def drop_default(logs):
        for log in logs:
            spec = log.predict_log.request.model_spec
            if spec.signature_name == "serving_default":
                spec.ClearField("signature_name")

    rewrite_warmup(drop_default)(folder)
    assert [f.text for f in lint(folder)] == ["has changed since it was published"]


def test_batches_that_are_split_may_be_larger_than_the_largest_that_is_run(folder):
    splits = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 }"
    edit(SIZES, "{\n  value: 8\n}", f"{{ value: 64 }} {splits}")(folder)
    assert [f.text for f in lint(folder)] == ["has changed since it was published"]


def test_a_folder_without_a_ledger_is_checked_as_far_as_it_goes(folder):
    (folder / "bundle.json").unlink()
    assert lint(folder) == []
    edit(SIZES, "value: 8", "value: 16")(folder)
    assert len(lint(folder)) == 1


def test_what_is_no_serving_folder_cannot_be_checked(tmp_path):
    with pytest.raises(ExportError, match="no serving folder"):
        lint(tmp_path)


def test_every_rule_is_among_those_that_run():
    from importlib import import_module
    from inspect import getmembers, isgeneratorfunction

    names = ("batching", "configs", "manifests", "pods", "repository", "triton", "warmup")
    rules = {
        rule
        for module in (import_module(f"export.serving.rules.{name}") for name in names)
        for name, rule in getmembers(module, isgeneratorfunction)
        if not name.startswith("_") and rule.__module__ == module.__name__
    }
    assert rules == set(RULES)


@pytest.mark.parametrize(
    ("image", "ops", "reason"),
    [
        ("tensorflow/serving:2.17.0-gpu", {"TRTEngineOp"}, None),
        ("tensorflow/serving:2.14.1-gpu", {"TRTEngineOp"}, None),
        ("registry/tensorflow/serving:2.17.1-devel-gpu", {"TRTEngineOp"}, None),
        ("registry:5000/tensorflow/serving:2.17.0-gpu@sha256:00", {"TRTEngineOp"}, None),
        ("registry:5000/tensorflow/serving", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:2.18.0-gpu", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:nightly@sha256:00", {"TRTEngineOp"}, "2.18"),
        ("tensorflow/serving:2.17.0", {"TRTEngineOp"}, "without TensorRT"),
        ("tensorflow/serving:2.17.0", {"DecodeWebP"}, "older than DecodeWebP"),
        ("tensorflow/serving:2.21.0", {"DecodeWebP", "Conv2D"}, None),
    ],
)
def test_an_image_that_lacks_an_op_is_named_with_the_reason(image, ops, reason):
    reasons = modelserver.explain_ops(image, frozenset(ops))
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]


def test_the_batching_file_of_the_server_parses_as_its_own_message(clean):
    from export.serving.protos import configs

    text = (clean / "batching_parameters.txt").read_text()
    assert text_format.Parse(text, configs().BatchingParameters()).max_enqueued_batches.value > 0
