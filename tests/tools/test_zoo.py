"""The tool that exports a zoo."""

import json

import pytest

from export.study.zoo import running
from export.study.zoo.record import VERIFIED, Record, read_records, write_records
from tools import zoo


@pytest.fixture
def places(tmp_path):
    return ["--record", str(tmp_path / "zoo.jsonl"), "--doc", str(tmp_path / "zoo.md")]


@pytest.fixture
def asked(monkeypatch):
    """The commands that are run in place of exports, each of which is verified at once."""
    commands = []

    def made(model, format, converter=""):
        return Record(model, format, VERIFIED, converter=converter, wall_s=1.0, peak_bytes=2e9)

    def once(model, formats, command, bounds, machine):
        commands.append(command)
        return [made(model, name) for name in formats]

    def stock(key, command, bounds, machine):
        commands.append(command)
        return made(*key)

    monkeypatch.setattr(running, "export_once", once)
    monkeypatch.setattr(running, "stock_once", stock)
    return commands


FORMATS = ["savedmodel", "onnx", "tftrt-fp16"]


def test_a_network_is_one_export_to_all_formats_and_is_done_once(places, asked, tmp_path, capsys):
    words = ["--only", "vit", "--only", "mixed_float16", *places]
    assert zoo.main(words) == 0
    assert [command[-5::2] for command in asked] == [FORMATS] * 2
    assert asked[0][1:3] == ["--model", "keras_nets.zoo.pictures:vit"]
    assert "policy='mixed_float16'" in asked[-1]
    assert len(read_records(tmp_path / "zoo.jsonl")) == 6
    assert "vit savedmodel verified 1.0 s, 2.00 GB" in capsys.readouterr().out
    assert zoo.main(words) == 0 and len(asked) == 2
    assert zoo.main([*words, "--again"]) == 0 and len(asked) == 4


def test_each_format_is_an_export_of_its_own_where_that_is_asked_for(places, asked, tmp_path):
    assert zoo.main(["--only", "vit", "--apart", *places]) == 0
    assert [command[-1] for command in asked] == FORMATS
    assert len(read_records(tmp_path / "zoo.jsonl")) == 3


def test_the_converters_of_others_run_beside_ours(places, asked, tmp_path):
    assert zoo.main(["--only", "MobileNet", "--small", "--stock", *places]) == 0
    found = read_records(tmp_path / "zoo.jsonl")
    assert [key[1:] for key in found] == [
        ("savedmodel", ""),
        ("savedmodel", "Model.export"),
        ("onnx", ""),
        ("onnx", "tf2onnx"),
        ("onnx", "Model.export"),
        ("tftrt-fp16", ""),
    ]
    assert "input_shape=(32, 32, 3)" in asked[0] and "--small" in asked[1]


def test_a_verdict_that_is_not_the_expected_one_is_said_and_is_exit_status_1(
    places, tmp_path, capsys
):
    write_records(tmp_path / "zoo.jsonl", [
        Record("vit", "onnx", "failed", line="parity: far off"),
        Record("channels_first", "onnx", "refused", line="layer first takes channels first, for"),
    ])  # fmt: skip
    words = ["--format", "onnx", "--only", "channels_first", *places]
    assert zoo.main(words) == 0
    assert zoo.main([*words, "--only", "vit"]) == 1
    assert "vit to onnx: failed parity: far off" in capsys.readouterr().err
    page = (tmp_path / "zoo.md").read_text()
    assert "- `vit` to onnx, **fails**: parity: far off" in page


def test_another_s_converter_converts_what_is_listed(capsys):
    assert zoo.main(["--run-stock", "convmixer", "onnx", "tf2onnx"]) == 0


def test_no_such_architecture_is_one_line(places, capsys):
    with pytest.raises(SystemExit) as ended:
        zoo.main(["--only", "vitt", *places])
    assert ended.value.code == 2 and "did you mean vit?" in capsys.readouterr().err


def test_what_is_recorded_is_a_line_of_json(tmp_path):
    record = Record("vit", "onnx", VERIFIED, wall_s=1.5, engines=None)
    write_records(tmp_path / "zoo.jsonl", [record])
    assert json.loads((tmp_path / "zoo.jsonl").read_text())["wall_s"] == 1.5
    assert read_records(tmp_path / "zoo.jsonl") == {("vit", "onnx", ""): record}
