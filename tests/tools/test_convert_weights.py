"""The command line of convert_weights: exit codes, reports, and nothing half written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from framework_files import random_tensors, write_pdparams

from keras_nets import load_weights
from tools import convert_weights, export

TOOL = Path(__file__).parents[2] / "tools" / "convert_weights.py"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    tensors = random_tensors("squeezenet1_1", "paddle")
    return write_pdparams(tmp_path_factory.mktemp("source") / "w.pdparams", tensors)


def convert(capsys, *arguments) -> tuple[int, str, str]:
    try:
        status = convert_weights.main([str(argument) for argument in arguments])
    except SystemExit as left:
        status = left.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("kind", "ending"), [("keras", ".weights.h5"), ("safetensors", ".safetensors"), ("npz", ".npz")]
)
def test_a_file_is_converted_and_each_tensor_accounted_for(
    tmp_path, monkeypatch, capsys, source, kind, ending
):
    monkeypatch.chdir(tmp_path)
    status, out, _ = convert(capsys, source, "--model", "squeezenet1_1", "--to", kind, "--json")
    assert status == 0
    report = json.loads(out)
    assert report["out"] == f"squeezenet1_1-paddle{ending}"
    assert (report["kind"], report["flavour"], report["classes"]) == ("pdparams", "paddle", 1000)
    assert len(report["placements"]) == 52
    assert report["placements"][0] == {
        "source": "_conv.weight",
        "target": "conv1/kernel",
        "transform": "OIHW to HWIO",
        "source_shape": [64, 3, 3, 3],
        "shape": [3, 3, 3, 64],
    }
    got, want = (load_weights("squeezenet1_1", path) for path in (report["out"], source))
    for ours, theirs in zip(got.weights, want.weights, strict=True):
        assert "seed" in ours.path or np.array_equal(ours.numpy(), theirs.numpy())


def test_without_json_a_line_is_printed_for_each_tensor(tmp_path, capsys, source):
    out = tmp_path / "w.npz"
    status, text, _ = convert(
        capsys, source, "--model", "squeezenet1_1", "--to", "npz", "--out", out
    )
    assert status == 0
    lines = text.splitlines()
    assert "_conv.weight\t64x3x3x3\tconv1/kernel\t3x3x3x64\tOIHW to HWIO" in lines
    assert sum("\t" in line for line in lines) == 53  # with the headings
    assert f"out: {out}" in lines


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("absent", "--model", "vgg11", "--to", "npz"), "FILE absent is not there"),
        (("SOURCE", "--model", "vgg11", "--to", "npz"), "no file of vgg11"),
        (
            ("SOURCE", "--model", "vgg12", "--to", "npz"),
            "no network is called 'vgg12'; did you mean",
        ),
        (
            ("SOURCE", "--model", "squeezenet1_1", "--to", "onnx"),
            "no kind of file is called 'onnx'",
        ),
        (
            ("SOURCE", "--model", "squeezenet1_1", "--to", "npz", "--classes", "5"),
            "has 1000 classes where 5 are asked for",
        ),
        (("SOURCE", "--model", "squeezenet1_1", "--to", "npz", "--out", "w.h5"), "end in .npz"),
        (("imagenet:x", "--model", "vgg11", "--to", "npz"), "publishes no weights of vgg11"),
    ],
)
def test_a_failed_conversion_exits_with_2_and_leaves_no_file(
    tmp_path, monkeypatch, capsys, source, arguments, told
):
    monkeypatch.chdir(tmp_path)
    arguments = [source if argument == "SOURCE" else argument for argument in arguments]
    status, out, errors = convert(capsys, *arguments)
    assert (status, out) == (2, "")
    assert told in errors.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_file_that_this_user_may_not_read_is_one_line(tmp_path, monkeypatch, capsys, source):
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != source and asked(path, mode))
    monkeypatch.chdir(tmp_path)
    wanted = "may not be read by this user; name a weights file, or imagenet"
    status, _, errors = convert(capsys, source, "--model", "squeezenet1_1", "--to", "npz")
    assert status == 2 and wanted in errors
    with pytest.raises(SystemExit) as left:
        export.main(["--model", "squeezenet1_1", "--weights", str(source), "--format", "onnx"])
    assert left.value.code == 2 and wanted in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_tensorflow_logs_as_it_loads_is_not_seen(tmp_path, source):
    out = tmp_path / "w.npz"
    command = [sys.executable, str(TOOL), str(source), "--model", "squeezenet1_1"]
    done = subprocess.run([*command, "--to", "npz", "--out", out], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.exists()


def test_help_comes_from_anywhere_and_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", str(TOOL), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True)
    assert "--model NAME" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "keras_nets.catalog" in imported
    assert not imported & {"numpy", "tensorflow", "keras", "h5py", "rich"}
