"""What serves a format; and formats of another version of the toolkit, which none here knows."""

import json

import pytest
from toy_artifact import make_toy, write_report

from export.errors import ExportError
from export.serving.bundle import add, promote
from export.serving.formats import formats_on, has_engine, is_savedmodel, server_of
from export.serving.lint import lint
from tools import bundle

UNKNOWN = "no format is called 'coreml'; known are savedmodel"


@pytest.fixture
def toy(tmp_path):
    return make_toy(tmp_path / "exports")


def test_each_format_says_what_serves_it():
    wanted = {
        "savedmodel": "tf-serving",
        "onnx": "onnxruntime",
        "tftrt-fp32": "tf-serving-gpu",
        "tftrt-fp16": "tf-serving-gpu",
    }
    assert {name: server_of(name) for name in wanted} == wanted
    assert [name for name in wanted if has_engine(name)] == ["tftrt-fp32", "tftrt-fp16"]
    assert [name for name in wanted if not is_savedmodel(name)] == ["onnx"]
    assert formats_on("onnxruntime", "tf-serving").startswith("savedmodel or onnx")


@pytest.mark.parametrize("server", [None, "tf-serving", "triton"])
def test_an_artifact_of_an_unknown_format_is_refused_in_a_sentence(toy, tmp_path, server):
    write_report(toy, format="coreml")
    with pytest.raises(ExportError, match=UNKNOWN) as caught:
        add(toy, tmp_path / "deploy", server=server)
    assert str(caught.value).endswith("; use the version of this toolkit that wrote it")
    assert not (tmp_path / "deploy").exists()


@pytest.fixture
def strange(toy, tmp_path):
    """A serving folder that holds a version of a format that is unknown here."""
    folder = tmp_path / "deploy"
    add(toy, folder)
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    content["models"][0]["versions"]["1"]["format"] = "coreml"
    path.write_text(json.dumps(content))
    return folder


def test_a_folder_with_a_version_of_an_unknown_format_is_refused_in_a_sentence(toy, strange):
    for work in (lambda: add(toy, strange), lambda: promote(strange, "toy")):
        with pytest.raises(ExportError, match=rf"bundle\.json lists toy, and {UNKNOWN}"):
            work()


def test_the_linter_and_the_command_line_say_the_same(toy, strange, capsys):
    (finding,) = [str(one.text) for one in lint(strange) if "coreml" in one.text]
    assert UNKNOWN in finding
    with pytest.raises(SystemExit) as ended:
        bundle.main([str(toy), "--to", str(strange)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
