"""Engines are measured on a GPU; here a stand-in of the lane's script answers for it."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_content import content

from export.process import child_of_script
from export.results import Check, Status
from export.runtimes import tensorrt
from tools import measure_gpu

STANDIN = Path(__file__).parents[1] / "standin" / "engine_script.py"


@pytest.fixture
def artifact(tmp_path):
    """A function from the name of a format to a folder with a report of it."""

    def write(format: str):
        told = content(model="toy", format=format)
        told["options"] |= {"image": [8, 8, 3], "batch_sizes": [1, 4, 8]}
        (tmp_path / "report.json").write_text(json.dumps(told))
        return tmp_path

    return write


def test_each_batch_size_has_a_row(artifact, monkeypatch, capsys):
    @contextmanager
    def in_lane(_lane, _script, scratch, *, about):
        with child_of_script(Path(sys.executable), STANDIN, scratch, about) as child:
            yield SimpleNamespace(ask=lambda job, arrays: child.ask({**job, "pretend": ""}, arrays))

    folder = artifact("tftrt-fp16")
    monkeypatch.setattr(tensorrt, "NVIDIA", folder)
    monkeypatch.setattr(tensorrt, "child_in_lane", in_lane)
    assert measure_gpu.main([str(folder)]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1] for row in rows] == ["1", "4", "8"]
    for row in rows:
        assert row[0] == "| toy tftrt-fp16" and float(row[2]) >= 0 and float(row[4]) > 0
        assert row[-1] == "not verified on a GPU |"


def test_the_error_is_in_multiples_of_the_noise():
    engine = Check(
        name="engine", status=Status.PASSED, measured=0.02, allowed=0.08, unit="std",
        details={"noise": 0.01},
    )  # fmt: skip
    assert measure_gpu._error(SimpleNamespace(checks=[engine])) == "2.00"
    assert measure_gpu._error(SimpleNamespace(checks=[])) == "not verified on a GPU"


def test_what_takes_no_pictures_is_refused_in_a_line(artifact, capfd):
    folder = artifact("tftrt-fp16")
    path = folder / "report.json"
    told = json.loads(path.read_text())
    ids = {"name": "ids", "dtype": "int32", "shape": ["batch", 8]}
    told["contract"] = {"inputs": [ids], "outputs": [{**ids, "name": "made", "dtype": "float32"}]}
    path.write_text(json.dumps(told))
    with pytest.raises(SystemExit) as ended:
        measure_gpu.main([str(folder)])
    assert ended.value.code == 2
    assert "takes `ids` int32 (batch, 8), and only classifiers" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("onnx", "is onnx, which has no engine"),
        ("tftrt-fp16", "could not be measured: needs a GPU"),
    ],
)
def test_what_cannot_be_measured_exits_with_2(artifact, monkeypatch, capfd, format, message):
    folder = artifact(format)
    monkeypatch.setattr(tensorrt, "NVIDIA", folder / "none")
    with pytest.raises(SystemExit) as ended:
        measure_gpu.main([str(folder)])
    assert ended.value.code == 2
    assert message in capfd.readouterr().err
