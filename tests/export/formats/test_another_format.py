"""A format is one file and one line: everything works for one that no other file has heard of."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bfloat16 import GRAPH, WEIGHTS, Bfloat16
from tensorflow.core.framework import graph_pb2
from toy_artifact import make_toy

from export import export_model, verify
from export.errors import ExportError
from export.formats import FORMATS
from export.gate.examine import GateOptions
from export.html import overview
from export.options import Options
from export.process import in_this_process
from export.results import Status, find
from export.serving.bundle import add
from export.skeleton.stores import FLOAT32

NAME = Bfloat16.name


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The one line; children stay in this process, where it is known."""
    with pytest.MonkeyPatch.context() as patch, in_this_process():
        patch.setitem(FORMATS, NAME, Bfloat16())
        yield


@pytest.fixture(scope="module")
def exported(registered, toy, tmp_path_factory):
    """The report of an export with a self-test, made once."""
    out = tmp_path_factory.mktemp("exports")
    asked = Options(wish=GateOptions(self_test=True, strict=True, layers=True))
    (report,) = export_model(toy("plain"), [NAME], out, options=asked)
    return report


@pytest.fixture
def artifact(exported, tmp_path):
    """A copy of the artifact, to be changed."""
    return shutil.copytree(exported.folder, tmp_path / NAME)


def test_it_is_exported_and_verified(exported):
    assert exported.passed, exported.checks
    passed = [check.name for check in exported.checks if check.status is Status.PASSED]
    assert passed == ["weights", "graph", "contract", "parity", "power"]
    assert find(exported.checks, "parity").measured > 1e-4, "weights are rounded"
    assert find(exported.checks, "parity").details["noise_from"] == "rounded weights"


def test_planted_bugs_are_caught_and_layers_compared(exported):
    parity = find(exported.checks, "parity")
    power = parity.details["power"]
    assert power["caught"] == power["of"] >= 10
    assert "layers agree" in parity.note


def test_it_is_verified_again_and_other_weights_are_noticed(toy, artifact):
    assert verify(toy("plain"), artifact).passed
    with np.load(artifact / WEIGHTS) as archive:
        content = dict(archive)
    content["conv2/kernel"] = content["conv2/kernel"] ^ 1  # the last bit of each value
    np.savez(artifact / WEIGHTS, **content)
    report = verify(toy("plain"), artifact, compare_hashes=False)
    assert find(report.checks, "weights").status is Status.FAILED
    assert "missing or changed: conv2/kernel" in find(report.checks, "weights").note


def test_weights_that_were_not_rounded_as_promised_are_noticed(toy, artifact, monkeypatch):
    monkeypatch.setattr(Bfloat16, "store", lambda self, values, axes=(): FLOAT32)
    report = verify(toy("plain"), artifact)
    assert find(report.checks, "weights").status is Status.FAILED


def test_a_bug_in_the_graph_is_noticed(toy, artifact):
    graph = graph_pb2.GraphDef.FromString((artifact / GRAPH).read_bytes())
    leaky = next(node for node in graph.node if node.op == "LeakyRelu")
    leaky.attr["alpha"].f = 0.2
    (artifact / GRAPH).write_bytes(graph.SerializeToString())
    report = verify(toy("plain"), artifact, compare_hashes=False)
    failed = [check.name for check in report.checks if check.status is Status.FAILED]
    assert failed == ["parity"]
    assert "leaky" in find(report.checks, "parity").note, "the layer is named"


def test_it_has_pages(exported):
    assert (Path(exported.folder) / "report.html").is_file()
    folder = Path(exported.folder).parents[1]
    page = overview.render(overview.collect([folder]), folder)
    assert NAME in page and "verified" in page


def test_no_server_loads_it_and_that_is_a_sentence(exported, tmp_path):
    with pytest.raises(ExportError) as caught:
        add(exported.folder, tmp_path / "deploy")
    said, _, advised = str(caught.value).partition("; export to ")
    assert said == f"no server that is known here loads {NAME}, and {exported.folder} is that"
    assert {"savedmodel", "onnx", "tftrt-fp16"} < set(advised.split(" or "))
    assert not {"openvino", "litert", NAME} & set(advised.split(" or "))
    assert add(make_toy(tmp_path / "other"), tmp_path / "deploy").server == "tf-serving"


def test_a_format_that_needs_an_option_is_refused_without_it(toy, tmp_path, monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Needy(Bfloat16):
        name: str = "npz-needy"
        needs: frozenset = frozenset({"labels", "calibration"})

    monkeypatch.setitem(FORMATS, "npz-needy", Needy())
    with pytest.raises(ValueError, match="npz-needy needs calibration and labels"):
        export_model(toy("plain"), ["npz-needy"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_says_nothing_of_how_the_format_is_made(exported):
    content = json.loads((Path(exported.folder) / "report.json").read_text())
    assert content["format"] == NAME
    assert content["schema"] == 2


@pytest.mark.parametrize(
    ("given", "unmet"),
    [
        ({}, ["calibration"]),
        ({"calibration": None}, ["calibration"]),
        ({"calibration": ()}, ["calibration"]),
        ({"calibration": np.zeros((0, 4, 4, 3))}, ["calibration"]),
        ({"calibration": np.zeros((2, 4, 4, 3))}, []),
        ({"calibration": Path("pictures")}, []),
    ],
)
def test_what_is_empty_is_not_given(given, unmet):
    needy = Bfloat16(needs=frozenset({"calibration"}))
    assert needy.unmet(SimpleNamespace(**given)) == unmet
