"""Engines are measured on a GPU; here a stand-in of the lane's script answers for it."""

from types import SimpleNamespace

import pytest

from export.results import Check, Status
from tools import measure_gpu, measure_tftrt_warmup

TOOLS = pytest.mark.parametrize("tool", [measure_gpu, measure_tftrt_warmup])


def refusal(tool, folder, capfd) -> str:
    with pytest.raises(SystemExit) as ended:
        tool.main([str(folder)])
    assert ended.value.code == 2
    return capfd.readouterr().err


def test_each_batch_size_has_a_row(reported, gpu, capsys):
    assert measure_gpu.main([str(reported("tftrt-fp16"))]) == 0
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


@TOOLS
def test_what_takes_no_pictures_is_refused_in_a_line(tool, reported, capfd):
    ids = {"name": "ids", "dtype": "int32", "shape": ["batch", 8]}
    made = {**ids, "name": "made", "dtype": "float32"}
    folder = reported("tftrt-fp16", contract={"inputs": [ids], "outputs": [made]})
    assert "takes `ids` int32 (batch, 8), and only classifiers" in refusal(tool, folder, capfd)


@TOOLS
def test_a_format_without_engines_is_refused_in_a_line(tool, reported, capfd):
    assert "is onnx, which has no engine" in refusal(tool, reported("onnx"), capfd)


@TOOLS
def test_without_a_gpu_nothing_is_measured(tool, reported, no_gpu, capfd):
    folder = reported("tftrt-fp16")
    assert "could not be measured: needs a GPU" in refusal(tool, folder, capfd)
