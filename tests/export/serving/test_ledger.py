"""The ledger of a serving folder: kept whole, read when old, refused when it is none."""

import json

import pytest
from toy_artifact import (
    BATCH_SIZES,
    make_onnx,
    make_toy,
)

from export.errors import ExportError
from export.serving.bundle import add, promote
from export.serving.ledger import read_ledger
from export.serving.lint import lint


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    return make_onnx(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def deploy(tmp_path):
    return tmp_path / "deploy"


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_ledger_of_an_earlier_release_is_read(toy, deploy):
    add(toy, deploy)
    data = json.loads((deploy / "bundle.json").read_text())
    version = data["models"][0]["versions"]["1"]
    del version["verdict"], version["remarks"]
    (deploy / "bundle.json").write_text(json.dumps(data))
    assert add(toy, deploy).version == 2
    assert read_ledger(deploy).models[0].versions[1].verdict == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name": "toy"', '"name": "../../x"'),
        ('"model.onnx"', '"../../x"'),
        ('"model.onnx"', '"1//home/me/.bashrc"'),
        ('"triton/toy/config.pbtxt"', '"../../x"'),
        ('"server": "triton"', '"server": "../x"'),
    ],
)
def test_a_ledger_that_leads_outside_stops_everything(onnx, deploy, tmp_path, old, new):
    add(onnx, deploy)
    text = (deploy / "bundle.json").read_text()
    assert old in text
    (deploy / "bundle.json").write_text(text.replace(old, new))
    before = tree(tmp_path)
    for run in (lambda: add(onnx, deploy), lambda: promote(deploy, "toy")):
        with pytest.raises(ExportError, match="is no ledger"):
            run()
    assert tree(tmp_path) == before
    assert any("is no ledger" in finding.text for finding in lint(deploy))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_a_ledger_nested_without_end_is_refused_in_one_line(onnx, deploy, text):
    add(onnx, deploy)
    (deploy / "bundle.json").write_text(text)
    with pytest.raises(ExportError, match="cannot read"):
        add(onnx, deploy)


def test_the_ledger_survives_being_written_and_read(toy, deploy):
    add(toy, deploy)
    assert read_ledger(deploy).find("tf-serving", "toy").versions[1].batch_sizes == BATCH_SIZES


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1, "models": [{}]}', '{"schema": 9}'])
def test_a_ledger_that_is_none_stops_everything(toy, deploy, text):
    add(toy, deploy)
    (deploy / "bundle.json").write_text(text)
    with pytest.raises(ExportError, match="bundle.json"):
        add(toy, deploy)


def test_the_ledger_names_every_file_of_a_version(toy, deploy):
    added = add(toy, deploy)
    recorded = json.loads((deploy / "bundle.json").read_text())["models"][0]["versions"]["1"]
    assert set(recorded["files"]) == {p.as_posix() for p in tree(added.folder)}
