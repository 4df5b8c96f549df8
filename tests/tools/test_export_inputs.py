"""Exports that are compared on a user's own inputs, and what is known of them on another day."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.serving.bundle import add
from tools import evaluate, export, verify

NETS = """
import keras


def picture_net(classes=3):
    image = keras.Input((16, 16, 3), name="photo")
    x = keras.layers.Conv2D(6, 3, activation="relu")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes)(x), name="pictures")


def text_net():
    ids, age = keras.Input((None,), dtype="int32", name="ids"), keras.Input((2,), name="age")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30, 4)(ids))
    x = keras.layers.Concatenate()([x, age])
    return keras.Model([ids, age], keras.layers.Dense(3, name="mood")(x), name="texts")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with a module of models, inputs for one and pictures for the other."""
    (tmp_path / "nets_with_inputs.py").write_text(NETS)
    random = np.random.default_rng(0)
    ids, age = random.integers(0, 30, (5, 11), np.int32), random.normal(size=(5, 2))
    np.savez(tmp_path / "real.npz", ids=ids, age=age.astype(np.float32))
    for number in range(6):
        path = tmp_path / "pictures" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(path)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("nets_with_inputs", None)


TEXTS = ["--model", "nets_with_inputs:text_net", "--format", "onnx"]
PICTURES = ["--model", "nets_with_inputs:picture_net"]
SCALED = ["--preprocess", "scale=127.5,mean=127.5"]


def report_of(folder) -> dict:
    return json.loads(Path("exports", folder, "report.json").read_text())


def parity_of(report: dict) -> str:
    return next(check["note"] for check in report["checks"] if check["name"] == "parity")


def again(capfd, *arguments) -> tuple[int, dict, str]:
    """The status of a verification, its report, and what it said beside."""
    status = verify.main([*map(str, arguments), "--no-self-test", "--json"])
    said = capfd.readouterr()
    return status, json.loads(said.out), said.err


def test_inputs_of_a_file_are_compared_and_the_report_knows_which(here, capfd):
    assert export.main([*TEXTS, "--inputs", "real.npz"]) == 0
    written = report_of("texts/onnx")
    sha256 = hashlib.sha256(Path("real.npz").read_bytes()).hexdigest()
    entry = {"source": "real.npz", "sha256": sha256, "count": 5}
    assert written["options"]["inputs"] == entry and "probes" not in written["options"]
    assert parity_of(written).startswith("mood of 13 inputs compared")
    assert "compared at time 7 too" in parity_of(written)
    capfd.readouterr()
    status, report, said = again(capfd, "exports/texts/onnx", "--inputs", "real.npz")
    assert (status, report["options"]["inputs"]) == (0, entry) and "sha256" not in said
    status, report, said = again(capfd, "exports/texts/onnx")
    assert (status, "inputs" in report["options"]) == (0, False)
    assert f"compared on 5 inputs of real.npz, too (sha256 {sha256[:12]}...), and it is not" in said


def test_without_probes_the_inputs_alone_are_judged_on_every_day(here, capfd):
    assert export.main([*TEXTS, "--inputs", "real.npz", "--probes", "none"]) == 0
    written = report_of("texts/onnx")
    assert written["options"]["probes"] == "none"
    assert parity_of(written).startswith("mood of 5 inputs compared")
    capfd.readouterr()
    status, report, _ = again(capfd, "exports/texts/onnx", "--inputs", "real.npz")
    assert status == 0 and parity_of(report).startswith("mood of 5 inputs compared")
    status, report, _ = again(capfd, "exports/texts/onnx", "--probes", "seeded")
    assert status == 0 and parity_of(report).startswith("mood of 8 inputs compared")
    with pytest.raises(SystemExit) as ended:
        again(capfd, "exports/texts/onnx")
    assert ended.value.code == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert "was compared on 5 inputs of real.npz (sha256" in line and "--probes seeded" in line


BAD = {
    "no.npz": b"nothing",
    "names.npz": {"id": np.ones((2, 3), np.int32), "age": np.ones((2, 2), np.float32)},
    "type.npz": {"ids": np.ones((2, 3), np.int64), "age": np.ones((2, 2), np.float32)},
    "nan.npz": {"ids": np.ones((2, 3), np.int32), "age": np.full((2, 2), np.nan, np.float32)},
    "shape.npz": {"ids": np.ones((2, 3), np.int32), "age": np.ones((2, 3), np.float32)},
    "count.npz": {"ids": np.ones((2, 3), np.int32), "age": np.ones((3, 2), np.float32)},
    "pickle.npz": {"ids": np.array([{}, {}], object), "age": np.ones((2, 2), np.float32)},
}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([*TEXTS, "--inputs", "none.npz"], "--inputs none.npz is not there"),
        ([*TEXTS, "--inputs", "no.npz"], "--inputs no.npz cannot be read ("),
        ([*TEXTS, "--inputs", "pickle.npz"], "--inputs pickle.npz cannot be read ("),
        ([*TEXTS, "--inputs", "count.npz"], "as many samples for each input, and at least one"),
        ([*TEXTS, "--inputs", "names.npz"], "the network's: ids, age. Received: id, age"),
        ([*TEXTS, "--inputs", "type.npz"], "finite int32 (n, time). Received: int64 (2, 3)"),
        ([*TEXTS, "--inputs", "nan.npz"], "Received: float32 (2, 2), some infinite or NaN"),
        ([*TEXTS, "--inputs", "shape.npz"], "finite float32 (n, 2). Received: float32 (2, 3)"),
        ([*TEXTS, "--probes", "none"], "--probes none leaves nothing to compare on"),
        (
            [*PICTURES, *SCALED, "--images", "pictures", "--inputs", "real.npz"],
            "both say what to compare on; give one",
        ),
        ([*PICTURES, "--images", "pictures"], "become inputs of nets_with_inputs:picture_net is"),
        ([*PICTURES, "--preprocess", "scale=0"], "divides by its scale, which cannot be 0"),
        ([*PICTURES, "--preprocess", "vgg14"], "no network is called 'vgg14'; did you mean vgg"),
        (["--model", "vgg11", *SCALED], "--preprocess is for models outside the catalog"),
        ([*TEXTS, *SCALED], "are of classifiers of pictures, and texts takes `ids` int32"),
        (["--model", "vgg11", "--model", "alexnet", "--inputs", "real.npz"], "are for one model"),
        (
            [*PICTURES, *SCALED, "--labels", "one.txt"],
            "one line for each of 3 classes. Received: 1",
        ),
    ],
)
def test_inputs_and_pictures_that_do_not_fit_are_one_line_and_leave_nothing(
    here, capfd, arguments, line
):
    Path("one.txt").write_text("ant\n")
    for name, content in BAD.items():
        if isinstance(content, bytes):
            Path(name).write_bytes(content)
        else:
            np.savez(name, **content)
    formats = [] if "--format" in arguments else ["--format", "onnx"]
    with pytest.raises(SystemExit) as ended:
        export.main([*arguments, *formats])
    told = capfd.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert told.startswith("error: ") and line in told
    assert not list(here.glob("exports/*/*/report.json"))


def test_pictures_of_a_model_outside_the_catalog_go_the_whole_way(here, capfd):
    """Compared, classified in the artifact, verified, evaluated and served, said once."""
    options = ["--images", "pictures", "--labels", "labels.txt"]
    assert export.main([*PICTURES, *SCALED, *options, "--format", "savedmodel"]) == 0
    written = report_of("pictures/savedmodel")
    kept = written["options"]["preprocess"]
    assert (kept["crop"], kept["short"], kept["mean"], kept["order"]) == (16, 16, [0.5] * 3, "rgb")
    assert "equal on 14 of 14" in parity_of(written)
    contract = next(check for check in written["checks"] if check["name"] == "contract")
    assert contract["note"].endswith("classify agrees with logits")
    capfd.readouterr()
    status, report, _ = again(capfd, "exports/pictures/savedmodel", "--images", "pictures")
    assert status == 0 and "equal on 14 of 14" in parity_of(report)
    folder = "exports/pictures/savedmodel"
    assert evaluate.main([folder, "--images", "pictures", "--workers", "1", "--json"]) == 0
    networks = {one["name"]: one for one in json.loads(capfd.readouterr().out)["networks"]}
    assert networks["pictures/savedmodel"]["error"] in ("", None)
    tops = [networks[f"pictures/{one}"]["top1"] for one in ("keras", "savedmodel")]
    assert tops[0] == tops[1]
    assert add(Path(folder), here / "deploy").warmup_records == 6, "of two signatures"


def test_a_network_of_keras_has_its_own_way_to_take_pictures(here, capfd):
    small = ["alpha=0.25", "classes=3", "input_shape=(32,32,3)"]
    options = [word for one in small for word in ("--model-arg", one)]
    model = ["--model", "keras.applications:MobileNet", *options]
    assert export.main([*model, "--images", "pictures", "--format", "onnx"]) == 0
    (report,) = here.glob("exports/*/onnx/report.json")
    kept = json.loads(report.read_text())["options"]["preprocess"]
    assert (kept["crop"], kept["short"], kept["std"]) == (32, 37, [0.5] * 3)
