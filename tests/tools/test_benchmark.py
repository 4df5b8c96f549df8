import csv
import importlib.util
import json
import shutil

import numpy as np
import pytest

from export.benchmark.torch_session import TORCH
from tools import benchmark, export
from tools.benchmark import main

pytest.importorskip("mlperf_loadgen", reason="comes with pip install '.[benchmark]'")
FIELDS = {
    "artifact", "model", "format", "runtime", "device", "batch", "threads", "median_ms", "p90_ms",
    "p99_ms", "images_per_s", "load_s", "first_ms", "peak_rss_bytes", "valid", "why", "ratio",
}  # fmt: skip
QUICK = ["--no-keras", "--batch", "1", "2", "--seconds", "1", "--rounds", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def artifact(export_toy):
    return export_toy("plain", "onnx").folder


@pytest.fixture(scope="module")
def measured(artifact, tmp_path_factory):
    path = tmp_path_factory.mktemp("speed") / "speed.jsonl"
    assert main([artifact, *QUICK, "--out", str(path)]) == 0
    return path


def test_the_keras_model_of_an_artifact_is_built_again_by_its_report(tmp_path, monkeypatch):
    from export.benchmark.keras_session import open_keras
    from export.report.artifact import read_artifact

    asked = ["--model", "squeezenet1_1", "--image-size", "64", "--classes", "3", "--seed", "7"]
    assert export.main([*asked, "--format", "onnx", "--out", str(tmp_path), "--name", "own"]) == 0
    artifact = read_artifact(tmp_path / "own" / "onnx")
    builder, arguments = benchmark._builder(artifact)
    session = open_keras(builder, json.loads(json.dumps(arguments)), "predict")
    logits = session.predict({"image": np.zeros((1, 64, 64, 3), np.float32)})["output"]
    assert logits.shape == (1, 3)


def test_records_have_the_promised_fields_and_the_machine(measured):
    found = [json.loads(line) for line in measured.read_text().splitlines()]
    assert all(record["why"] for record in found if record["device"] == "gpu")
    records = [record for record in found if record["device"] == "cpu"]
    assert [record["batch"] for record in records] == [1, 2]
    for record in records:
        assert record.keys() >= FIELDS
        assert record["bytes"] > 1000
        assert record["median_ms"] > 0 and record["machine"]["cores"] >= 1


def test_files_of_other_machines_are_shown_in_the_same_table(measured, capsys):
    assert main(["--merge", str(measured), str(measured)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("onnxruntime") >= 4 and "median ms" in printed


def test_an_interrupted_benchmark_goes_on_with_the_models_that_are_missing(
    artifact, measured, tmp_path, monkeypatch
):
    out = tmp_path / "speed.jsonl"
    out.write_text(measured.read_text())
    monkeypatch.setattr("export.benchmark.run.child_of", None)  # nothing may be started
    assert main([artifact, *QUICK, "--out", str(out), "--resume"]) == 0
    assert out.read_text() == measured.read_text()


def test_pytorch_says_so_where_it_is_not_installed(artifact, tmp_path):
    if importlib.util.find_spec("torch"):
        pytest.skip("torch is installed here; tests/export/benchmark has stand-ins of it")
    out = tmp_path / "torch.jsonl"
    asked = [artifact, *QUICK, "--batch", "1", "--torch", "--out", str(out)]
    assert main(asked) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    said = {record["runtime"]: record["why"] for record in found if "torch" in record["runtime"]}
    assert said.keys() == TORCH.keys()
    assert all(why in ("needs a GPU", said["torch"]) for why in said.values())
    assert "pip install torch" in said["torch"] == said["torch-compile"]


def test_a_page_shows_the_files_of_several_machines(measured, tmp_path):
    page = tmp_path / "pages" / "speed.html"
    assert main(["--merge", str(measured), str(measured), "--html", str(page)]) == 0
    shown = page.read_text()
    assert "4 figures" in shown and shown.count("<svg") == 4
    assert "tools/benchmark.py --merge" in shown


def test_json_is_an_object_a_line(measured, capsys):
    assert main(["--merge", str(measured), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["batch"] for line in lines] == [1, 2] * 3  # CPU, CUDA and TensorRT


def test_a_table_has_timms_names_and_changes_are_said(artifact, measured, tmp_path, capsys):
    table = tmp_path / "speed.csv"
    command = [artifact, *QUICK, "--out", str(table), "--compare", str(measured)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "became" in printed or "none of" in printed or "nothing that was" in printed
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["infer_step_time"]) > 0 and rows[0]["infer_batch_size"] == "1"


def test_where_nothing_could_be_measured_the_status_is_2(artifact, tmp_path, capsys):
    folder = shutil.copytree(artifact, tmp_path / "onnx")
    (folder / "model.onnx").write_bytes(b"no network")
    assert main([str(folder), *QUICK]) == 2
    assert "not valid: " in capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_table_fits_a_terminal(measured, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert main(["--merge", str(measured)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("1 x" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "name artifacts to measure, or files to --merge"),
        (["none"], "none is not there; name a folder"),
        (["--merge", "none"], "--merge none is not there"),
        (["x", "--resume", "--out", "a.csv"], "--resume goes on where --out stops"),
        (["x", "--html", "."], "--html . is a folder; name a file in it"),
        (["x", "--batch", "0"], "should be a whole number from 1 up"),
    ],
)
def test_bad_arguments_are_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert line in capsys.readouterr().err
