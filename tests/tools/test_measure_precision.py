"""The tool that measures what reduced precision costs."""

import numpy as np
import pytest

from export.study.precision import measuring
from export.study.precision.page import BEGIN, END
from export.study.precision.record import Record, read_records
from export.study.precision.stock import stock_of
from tools import measure_precision


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "page.md").write_text(f"{BEGIN}\n{END}\n")
    return ["--record", str(tmp_path / "found.jsonl"), "--page", str(tmp_path / "page.md")]


@pytest.fixture
def asked(monkeypatch):
    """The commands that are run in place of exports, each of which is verified at once."""
    commands = []

    def once(key, command, bounds, machine, held=None):
        commands.append(command)
        return Record(network=key[0], format=key[1], converter=key[2], verdict="verified")

    monkeypatch.setattr(measuring, "export_once", once)
    monkeypatch.setattr(measuring, "stock_once", once)
    return commands


def test_each_artifact_is_made_once_and_the_page_says_what_is_missing(places, asked, tmp_path):
    words = ["--only", "vgg19", "--format", "onnx", "--format", "onnx-int8", *places]
    assert measure_precision.main(words) == 0 and measure_precision.main(words) == 0
    first, second = asked
    assert first[1:] == ["--model", "vgg19", "--format", "onnx"]
    assert second[5] == "--calibration" and second[-2:] == ["--min-agreement", "0"]
    page = (tmp_path / "page.md").read_text()
    assert "| vgg19 | onnx-int8 | verified |" in page
    assert "- vgg19: onnx-fp16, onnx-int8-trt, openvino" in page


def test_the_tools_of_others_run_beside_ours(places, asked, tmp_path):
    words = ["--only", "alexnet", "--format", "litert", "--stock", *places]
    assert measure_precision.main(words) == 0
    assert [key[2] for key in read_records(tmp_path / "found.jsonl")] == ["", "TFLiteConverter"]
    assert asked[1][1:4] == ["--run-stock", "alexnet", "litert"]


@pytest.mark.parametrize("format", ["onnx-fp16", "onnx-int8", "litert-fp16", "openvino"])
def test_others_convert_a_toy(toy, tmp_path, format):
    images = np.random.default_rng(0).standard_normal((4, 16, 16, 3), np.float32)
    made = stock_of(format).convert(toy("nested"), tmp_path, iter(images))
    assert made.stat().st_size > 100


def test_a_page_without_marks_is_refused_in_a_line(places, tmp_path, capsys):
    (tmp_path / "page.md").write_text("no marks")
    with pytest.raises(SystemExit) as ended:
        measure_precision.main(["--page-only", *places])
    assert ended.value.code == 2
    assert "put both where the tables go" in capsys.readouterr().err
