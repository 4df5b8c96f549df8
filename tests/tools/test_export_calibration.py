"""The command line of export with formats of 8 bits: pictures, and what becomes of them."""

import json

import numpy as np
import pytest
from PIL import Image

from export.commandline.formats import wanted_formats
from keras_nets.spread import spread_pictures
from tools import export

SMALL = ["--model", "squeezenet1_1", "--image-size", "64", "--classes", "10"]


@pytest.fixture
def pictures(tmp_path):
    """A folder of forty pictures in two classes, and one that is none."""
    chance = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "pictures" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 256, (8, 8, 3), np.uint8).repeat(10, 0).repeat(10, 1)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    (tmp_path / "pictures" / "class0" / "cut.png").write_bytes(b"\x89PNG")
    return tmp_path / "pictures"


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as ended:
        export.main([*SMALL, *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_without_pictures_a_format_of_8_bits_is_refused_with_the_option(capsys, tmp_path):
    told = refused(capsys, "--format", "onnx-int8", "--out", str(tmp_path / "out"))
    assert "--calibration" in told and "synthetic" in told
    assert not (tmp_path / "out").exists()


def test_all_takes_what_needs_no_pictures_and_says_what_it_left_out(capsys):
    wanted = wanted_formats(["all"], calibrated=False)
    assert "onnx-fp16" in wanted and "onnx-int8" not in wanted
    assert "need --calibration: onnx-int8, onnx-int8-trt, litert-int8" in capsys.readouterr().err


def test_all_leaves_out_and_names_what_lacks_a_package(capsys, monkeypatch):
    from export.formats import base

    monkeypatch.setattr(base, "find_spec", lambda name: None)
    wanted = wanted_formats(["all"], calibrated=True)
    assert "onnx-int8" in wanted and not {"openvino", "litert"} & set(wanted)
    assert "left out: openvino needs openvino, which is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--calibration", "nowhere", "nowhere"),
        ("--calibration", "nowhere.npz", "nowhere.npz"),
        ("--min-agreement", "2", "from 0 to 1"),
        ("--calibration-method", "median", "minmax"),
        ("--calibration-count", "0", "from 1 up"),
        ("--engine", "ray", "name them with --calibration"),
        ("--ray-address", "10.0.0.7:6379", "is for --engine ray"),
    ],
)
def test_a_bad_option_is_refused_in_a_line(capsys, tmp_path, option, value, why):
    given = ["--format", "onnx-int8", "--calibration", "synthetic", option, value]
    assert why in refused(capsys, *given, "--out", str(tmp_path / "out"))


def test_pictures_calibrate_and_the_report_tells_which_did_not_decode(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    asked = ["--format", "onnx-int8", "--calibration", str(pictures), "--out", str(out)]
    export.main([*SMALL, *asked, "--calibration-count", "32", "--min-agreement", "0"])
    content = json.loads((out / "squeezenet1_1" / "onnx-int8" / "report.json").read_text())
    told = content["calibration"]
    assert (told["count"], told["held_out"], told["method"]) == (32, 8, "minmax")
    assert len(told["unread"]) == 1 and "cut.png" in told["unread"][0]
    assert len(told["ranges"]) > 30 and "conv1" in told["ranges"]
    assert content["passed"], [c for c in content["checks"] if c["status"] == "failed"]


def test_pictures_come_in_turns_from_every_class(pictures):
    first = spread_pictures(pictures, 3)[:10]
    assert [path.parent.name for path in first[:2]] != [first[0].parent.name] * 2
    assert sum(path.parent.name == "class0" for path in first) == 5
    assert spread_pictures(pictures, 3)[:10] == first != spread_pictures(pictures, 4)[:10]
