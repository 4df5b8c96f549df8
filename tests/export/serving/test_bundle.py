"""Bundling: versions, refusals, edits, and files that the servers' own messages read back."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from toy_artifact import (
    BATCH_SIZES,
    PAIR,
    make_onnx,
    make_pair,
    make_tftrt,
    make_toy,
    write_report,
)

from export.errors import ArtifactError, ExportError
from export.serving.bundle import add, promote
from export.serving.ledger import read_ledger
from export.serving.lint import lint
from export.serving.protos import configs, messages
from export.serving.servers.triton import parse_config
from export.serving.warmup import read_warmup

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def tftrt(tmp_path):
    return make_tftrt(tmp_path / "exports")


@pytest.fixture
def deploy(tmp_path):
    return tmp_path / "deploy"


def models_config(folder):
    text = (folder / "models.config").read_text()
    return text_format.Parse(text, messages().ModelServerConfig()).model_config_list.config


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_bundle_is_clean_and_its_version_holds_all_that_a_server_looks_for(toy, deploy):
    added = add(toy, deploy)
    assert (added.model, added.version, added.warmup_records) == ("toy", 1, 6)
    version = deploy / "models" / "toy" / "1"
    for name in (
        "saved_model.pb",
        "variables/variables.index",
        "assets.extra/tf_serving_warmup_requests",
        "batching_params.pbtxt",
    ):
        assert (version / name).is_file()
    assert lint(deploy) == []


def test_files_are_linked_and_not_copied_on_one_file_system(toy, deploy):
    added = add(toy, deploy)
    inode = (toy / "1" / "saved_model.pb").stat().st_ino
    shared = (added.folder / "saved_model.pb").stat().st_ino == inode
    assert added.how == ("hard link" if shared else "reflink")


def test_where_nothing_can_be_linked_files_are_copied(toy, deploy, monkeypatch):
    import errno

    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr("export.serving.repository._reflink", lambda *_: False)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert add(toy, deploy).how == "copy"
    assert lint(deploy) == []


@pytest.mark.slow
def test_a_vgg19_is_bundled_within_five_seconds_and_a_gigabyte(tmp_path):
    source = make_tftrt(tmp_path / "exports", padding=574_671_360)  # its weights
    code = """if True:
        import json, re, sys
        from tools import bundle
        status = bundle.main(sys.argv[1:])
        peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
        print(json.dumps([status, 1024 * int(peak)]))
    """
    command = [sys.executable, "-c", code, source, "--to", tmp_path / "deploy", "--json"]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    said, (status, peak) = map(json.loads, done.stdout.splitlines())
    assert (status, said["how"] in ("reflink", "hard link")) == (0, True)
    assert seconds < 5
    assert peak < 1e9


def test_a_second_version_is_the_canary_and_the_first_stays_stable(toy, deploy):
    add(toy, deploy)
    (entry,) = models_config(deploy)
    assert dict(entry.version_labels) == {"stable": 1}  # a label in use would keep 2 from loading
    before = tree(deploy / "models" / "toy" / "1")
    assert add(toy, deploy).version == 2
    (entry,) = models_config(deploy)
    assert list(entry.model_version_policy.specific.versions) == [1, 2]
    assert dict(entry.version_labels) == {"stable": 1, "canary": 2}
    assert tree(deploy / "models" / "toy" / "1") == before


def test_promotion_makes_the_canary_stable_and_unloads_the_rest(toy, deploy):
    for _ in range(3):
        add(toy, deploy)
    (entry,) = models_config(deploy)
    assert list(entry.model_version_policy.specific.versions) == [1, 3]
    assert promote(deploy, "toy").stable == 3
    (entry,) = models_config(deploy)
    assert list(entry.model_version_policy.specific.versions) == [3]
    assert dict(entry.version_labels) == {"stable": 3}
    assert lint(deploy) == []


def test_a_version_takes_the_number_after_the_highest_whoever_put_it_there(toy, deploy):
    (deploy / "models" / "toy" / "7").mkdir(parents=True)
    assert add(toy, deploy).version == 8


def test_a_second_model_keeps_the_first(toy, deploy):
    add(toy, deploy)
    add(toy, deploy, name="other")
    assert [entry.name for entry in models_config(deploy)] == ["other", "toy"]
    assert lint(deploy) == []


def test_batch_sizes_are_those_of_the_engine_and_end_in_the_largest(tftrt, deploy):
    added = add(tftrt, deploy)
    for path in (deploy / "batching_parameters.txt", added.folder / "batching_params.pbtxt"):
        parameters = text_format.Parse(path.read_text(), configs().BatchingParameters())
        assert tuple(parameters.allowed_batch_sizes) == BATCH_SIZES
        assert parameters.max_batch_size.value == BATCH_SIZES[-1]


def test_models_of_one_server_must_share_a_batch_size(toy, tmp_path, deploy):
    add(toy, deploy)
    before = tree(deploy)
    other = make_tftrt(tmp_path / "other", model="other")
    options = {"classes": 6, "image": [8, 8, 3], "batch_sizes": [2, 16]}
    write_report(other, model="other", format="tftrt-fp16", options=options)
    with pytest.raises(ExportError, match="no batch size suits"):
        add(other, deploy)
    assert tree(deploy) == before


def test_tftrt_pins_the_last_image_that_loads_it_and_asks_for_a_gpu(toy, tftrt, deploy):
    add(toy, deploy, name="plain")
    compose = yaml.safe_load((deploy / "compose.yaml").read_text())
    assert compose["services"]["serving"]["image"] == "tensorflow/serving:2.21.0"
    add(tftrt, deploy)
    serving = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]["serving"]
    assert serving["image"] == "tensorflow/serving:2.17.0-gpu"
    assert serving["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert lint(deploy) == []


def test_monitoring_config_turns_the_metrics_on(toy, deploy):
    add(toy, deploy)
    text = (deploy / "monitoring.config").read_text()
    config = text_format.Parse(text, configs().MonitoringConfig())
    assert config.prometheus_config.enable


def test_the_folder_may_be_mounted_elsewhere(toy, deploy):
    add(toy, deploy, root="/srv/nets/")
    add(toy, deploy)
    assert models_config(deploy)[0].base_path == "/srv/nets/models/toy"
    assert lint(deploy) == []


def image_of(folder):
    return yaml.safe_load((folder / "compose.yaml").read_text())["services"]["serving"]["image"]


def test_an_image_by_digest_is_kept_until_the_toolkits_own_is_asked_for(toy, deploy):
    image = "mirror.example:5000/serving:2.21.0@sha256:" + "0" * 64
    add(toy, deploy, image=image)
    add(toy, deploy)
    assert (image_of(deploy), lint(deploy)) == (image, [])
    text = (deploy / "compose.yaml").read_text().replace("read_only: true", "read_only: false")
    (deploy / "compose.yaml").write_text(text)
    assert len(lint(deploy)) == 1  # a server of another name is looked at all the same
    (deploy / "compose.yaml").unlink()
    add(toy, deploy, image="default")
    assert image_of(deploy) == "tensorflow/serving:2.21.0"


def test_an_image_that_cannot_load_what_is_added_is_refused(toy, tftrt, deploy):
    add(toy, deploy, name="plain", image="tensorflow/serving:2.21.0@sha256:" + "0" * 64)
    before = tree(deploy)
    with pytest.raises(ExportError, match="use tensorflow/serving:2.17.0-gpu, or --image default"):
        add(tftrt, deploy)
    assert tree(deploy) == before


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({"passed": False, "checks": [{"name": "parity", "status": "failed"}]}, "parity"),
        ({"passed": "yes"}, "failed its verification"),
        ({"schema": 3}, "schema 3"),
        ({"model": "../toy"}, "letters, digits"),
        ({"model": None}, "names no model"),
        ({"options": {"classes": 6}}, "lacks 'image'"),
        ({"options": {"classes": 6, "image": [8, 8, 3], "batch_sizes": [0]}}, "batch of none"),
        ({"artifact": {"files": {}}}, "lists no files"),
        ({"artifact": {"files": {"../secret": "0"}}}, "outside its folder"),
        ({"checks": [{"name": "parity", "status": "failed"}]}, "parity"),
        ({"checks": [{"name": "parity", "status": "unknown"}]}, "no report"),
        ({"format": "../tftrt"}, "names no format"),
        ({"options": {"classes": 6, "image": [1 << 14, 1 << 14, 3]}}, "protobuf ends"),
        ({"options": {"classes": 6, "image": [1e300, 8, 3]}}, "protobuf ends"),
        ({"options": {"classes": 6, "image": [float("inf"), 8, 3]}}, "no report"),
        ({"artifact": {"files": {"1/saved_model.pb": "0" * 64}}}, "not what was verified"),
        ({"artifact": {"files": {"1/saved_model.pb": "0", "1/x": "0"}}}, "export it again"),
    ],
)
def test_an_unverified_artifact_is_refused_and_the_folder_stays_as_it_is(
    tftrt, toy, deploy, report, message
):
    add(toy, deploy)
    before = tree(deploy)
    write_report(tftrt, **{"format": "tftrt-fp16", **report})
    with pytest.raises(ArtifactError, match=message):
        add(tftrt, deploy)
    assert tree(deploy) == before
    assert not (deploy / ".staging").exists()


def test_a_file_changed_since_its_verification_is_refused(tftrt, deploy):
    path = tftrt / "1" / "saved_model.pb"
    path.write_bytes(path.read_bytes() + b"\x08\x01")
    with pytest.raises(ArtifactError, match="not what was verified"):
        add(tftrt, deploy)
    assert not (deploy / "models").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}', "\xff"])
def test_a_report_that_is_none_is_refused_in_one_line(tftrt, deploy, text):
    (tftrt / "report.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError) as caught:
        add(tftrt, deploy)
    assert "\n" not in str(caught.value)


def test_another_image_size_needs_another_name(toy, tftrt, deploy):
    add(toy, deploy)
    options = {"classes": 6, "image": [16, 16, 3], "batch_sizes": [1, 4, 8]}
    write_report(tftrt, format="tftrt-fp16", options=options)
    with pytest.raises(ExportError, match="another --name"):
        add(tftrt, deploy)
    add(tftrt, deploy, name="larger")


def test_a_file_edited_by_hand_is_never_lost(toy, deploy):
    add(toy, deploy)
    path = deploy / "compose.yaml"
    path.write_text(path.read_text().replace("unless-stopped", "always"))
    edited, before = path.read_text(), tree(deploy)
    with pytest.raises(ExportError, match="compose.yaml in .* was edited by hand"):
        add(toy, deploy)
    assert tree(deploy) == before
    added = add(toy, deploy, keep_edits=True)
    assert path.read_text() == edited
    assert [p.name for p in added.beside] == ["compose.yaml.new"]
    assert any("waits to be merged" in finding.text for finding in lint(deploy))


def test_a_file_that_was_there_before_is_not_overwritten(toy, deploy):
    deploy.mkdir()
    (deploy / "compose.yaml").write_text("services: {}\n")
    with pytest.raises(ExportError, match="compose.yaml"):
        add(toy, deploy)


def test_a_run_killed_between_ledger_and_files_is_not_taken_for_an_edit(toy, deploy):
    add(toy, deploy)
    old = {name: (deploy / name).read_text() for name in ("models.config", "compose.yaml")}
    add(toy, deploy)
    for name, text in old.items():
        (deploy / name).write_text(text)
    assert add(toy, deploy).version == 3
    assert lint(deploy) == []


def test_bundles_made_at_the_same_time_take_turns(toy, deploy):
    threads = [threading.Thread(target=add, args=(toy, deploy)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_ledger(deploy).models[0].versions) == [1, 2, 3, 4]
    assert lint(deploy) == []


def test_a_version_that_fails_to_fill_leaves_no_trace(toy, deploy, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    add(toy, deploy)
    before = tree(deploy)
    monkeypatch.setattr("export.serving.version.warmup.write_warmup", full)
    with pytest.raises(ExportError, match="is full: .* MB are free, and the version takes"):
        add(toy, deploy)
    assert tree(deploy) == before


@pytest.mark.parametrize(("batch", "sizes"), [("implicit", [1, 4, 8]), ("explicit", [8, 4, 1])])
def test_an_engine_of_explicit_batch_meets_its_largest_batch_first(tftrt, deploy, batch, sizes):
    report = json.loads((tftrt / "report.json").read_text())
    report["checks"].append({"name": "graph", "status": "passed", "details": {"batch": batch}})
    (tftrt / "report.json").write_text(json.dumps(report))
    logs = read_warmup(add(tftrt, deploy).folder / "assets.extra" / "tf_serving_warmup_requests")
    found = [
        log.predict_log.request.inputs["image"].tensor_shape.dim[0].size
        for log in logs
        if log.predict_log.request.model_spec.signature_name == "serving_default"
    ]
    assert found == sizes


def test_onnx_goes_to_triton_with_its_tensors_batches_and_warm_up(tmp_path, deploy):
    added = add(make_onnx(tmp_path), deploy)
    assert added.folder == deploy / "triton" / "toy" / "1"
    assert [path.name for path in added.folder.iterdir()] == ["model.onnx"]
    config = parse_config((deploy / "triton" / "toy" / "config.pbtxt").read_text())
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 8)
    assert (list(config.input[0].dims), list(config.output[0].dims)) == ([8, 8, 3], [6])
    assert list(config.dynamic_batching.preferred_batch_size) == [1, 4, 8]
    assert [warm.batch_size for warm in config.model_warmup] == [1, 4, 8]
    assert lint(deploy) == []


def test_a_savedmodel_serves_in_triton_too_beside_tf_serving(toy, deploy):
    add(toy, deploy)
    added = add(toy, deploy, server="triton")
    assert (added.folder / "model.savedmodel" / "saved_model.pb").is_file()
    config = parse_config((deploy / "triton" / "toy" / "config.pbtxt").read_text())
    assert config.platform == "tensorflow_savedmodel"
    assert lint(deploy) == []


def test_a_server_that_cannot_load_a_format_is_refused(tmp_path, tftrt, deploy):
    with pytest.raises(ExportError, match="TF Serving loads SavedModels"):
        add(make_onnx(tmp_path), deploy, server="tf-serving")
    with pytest.raises(ExportError, match="tftrt-fp16 in older ones is untried"):
        add(tftrt, deploy, server="triton")


def test_one_triton_model_is_of_one_backend(tmp_path, toy, deploy):
    add(toy, deploy, server="triton")
    with pytest.raises(ExportError, match="one backend"):
        add(make_onnx(tmp_path), deploy)


def test_promoting_what_is_not_served_names_what_is(toy, deploy):
    add(toy, deploy)
    with pytest.raises(ExportError, match="no model 'tot'; it serves toy"):
        promote(deploy, "tot")


def test_any_contract_is_served_warm_and_kept_in_the_ledger(tmp_path, deploy):
    added = add(make_pair(tmp_path), deploy)
    assert added.warmup_records == len(BATCH_SIZES)
    assert lint(deploy) == []
    (model,) = read_ledger(deploy).models
    assert model.versions[1].contract.as_dict() == PAIR
    again = make_pair(tmp_path / "other")
    turned = {**PAIR, "outputs": PAIR["outputs"][::-1]}
    write_report(again, model="pair", contract=turned, options={"batch_sizes": [1, 4, 8]})
    with pytest.raises(
        ExportError, match="clients of pair send `ids` int32 .batch, time., `heard`"
    ):
        add(again, deploy)


def test_a_ledger_from_before_there_were_contracts_is_of_a_classifier(toy, deploy):
    add(toy, deploy)
    content = json.loads((deploy / "bundle.json").read_text())
    (version,) = content["models"][0]["versions"].values()
    del version["contract"]
    version |= {"image": [8, 8, 3], "classes": 6}
    (deploy / "bundle.json").write_text(json.dumps(content))
    assert lint(deploy) == []
    assert add(toy, deploy).version == 2


def test_triton_is_told_names_types_and_free_axes(tmp_path, deploy):
    folder = make_onnx(tmp_path)
    inputs = [*PAIR["inputs"], {"name": "sound", "dtype": "float16", "shape": ["batch", None, 2]}]
    options = {"batch_sizes": [1, 4]}
    write_report(folder, format="onnx", contract={**PAIR, "inputs": inputs}, options=options)
    add(folder, deploy)
    text = (deploy / "triton" / "toy" / "config.pbtxt").read_text()
    config = parse_config(text)
    assert [(one.name, list(one.dims)) for one in config.input] == [
        ("ids", [-1]),
        ("heard", [-1]),
        ("sound", [-1, 2]),
    ]
    assert [name in text for name in ("INT32", "BOOL", "FP16", "FP32", "INT64")] == [True] * 5
    mean, count = config.output
    assert (mean.name, list(mean.dims), mean.HasField("reshape")) == ("mean", [3], False)
    assert (count.name, list(count.dims), list(count.reshape.shape)) == ("count", [1], [])
    warm = config.model_warmup[1].inputs
    assert list(warm["sound"].dims) == [64, 2] and warm["sound"].random_data
    assert warm["ids"].zero_data and warm["heard"].zero_data  # any id may be past a vocabulary
    assert lint(deploy) == []


def test_a_type_that_triton_lacks_is_refused_in_one_line(tmp_path, deploy):
    folder = make_onnx(tmp_path)
    odd = [{"name": "x", "dtype": "complex64", "shape": ["batch", 2]}]
    write_report(folder, format="onnx", contract={**PAIR, "inputs": odd})
    with pytest.raises(ExportError, match="cannot be served: requests hold .* complex64"):
        add(folder, deploy)
    assert not deploy.exists()
