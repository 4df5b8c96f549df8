"""The command line of compress."""

import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from export.errors import AccuracyLost
from export.lanes import LANES
from tools import export
from tools.compress import main

ROOT = Path(__file__).resolve().parents[2]


def ends(capsys, *argv):
    """The exit status and the last line on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return ended.value.code, capsys.readouterr().err.splitlines()[-1]


@pytest.mark.lane
def test_a_file_is_compressed_and_told_of_as_json(toy, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy("nested").save("nested.keras")
    command = ["--model", "nested.keras", "--prune", "2:4", "--first-and-last", "--json"]
    assert main(command) == 0
    content = json.loads(capfd.readouterr().out)
    assert content["path"] == "compressed/nested/nested.keras"
    assert content["method"] == {"prune": "2:4", "cluster": None, "qat": False}
    layers = {layer["name"]: layer for layer in content["layers"]}
    assert layers["logits"]["pattern"] == "2:4"
    assert layers["conv1"]["left"] == "not pruned, its 3 input channels do not come in fours"
    assert keras.saving.load_model(content["path"]).name == "nested"
    assert export.main(["--model", content["path"], "--format", "onnx", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["compression"] == {key: content[key] for key in content if key != "path"}
    (check,) = (check for check in report["checks"] if check["name"] == "compression")
    assert (check["status"], check["measured"]) == ("passed", 0)


def test_tensorflow_is_loaded_where_its_chatter_is_hidden():
    code = "import sys, tools.compress as tool, export.commandline.display as shown\n"
    code += "shown.display = lambda verbose: sys.exit('tensorflow' in sys.modules)\n"
    code += "tool.main(['--model', 'vgg11', '--prune', '0.5'])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--model", "vgg11"], "error: there is nothing to do; ask for --prune 0.5"),
        (["--model", "vgg12", "--prune", "0.5"], "error: no network is called 'vgg12'; did you"),
        (["--model", "none.keras", "--prune", "0.5"], "error: --model none.keras is not there"),
        (["--model", "vgg11", "--prune", "0.5", "--weights", "none.npz"],
         "error: --weights none.npz is not there"),
        (["--model", "nets:net", "--prune", "0.5", "--classes", "10"],
         "error: --classes is for networks of the catalog and of keras.applications; nets:net"),
        (["--model", "vgg11", "--qat"], "error: --qat is training, which needs pictures; give"),
        (["--model", "vgg11", "--prune", "2"], "share between 0 and 1, as 0.5, or 2:4. Received"),
        (["--model", "vgg11", "--cluster", "1"], "a whole number from 2 to 256. Received: '1'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_in_a_line_at_once(capsys, tmp_path, monkeypatch, argv, line):
    monkeypatch.chdir(tmp_path)
    status, last = ends(capsys, *argv)
    assert status == 2
    assert line in last
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_has_no_twin_is_named_before_the_lane_is_made(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    image = keras.Input((8, 8, 3))
    x = keras.layers.GroupNormalization(3, name="group")(image)
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    keras.Model(image, x, name="own").save("own.keras")
    status, last = ends(capfd, "--model", "own.keras", "--prune", "0.5")
    assert status == 2
    assert last.endswith("no twin there: group (GroupNormalization); build the model without them")
    assert [path.name for path in tmp_path.iterdir()] == ["own.keras"]


def test_a_lambda_has_no_twin(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Lambda(lambda x: 2 * x, name="twice")(image)
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    keras.Model(image, x, name="own").save("own.keras")
    status, last = ends(capfd, "--model", "own.keras", "--prune", "0.5", "--allow-unsafe")
    assert status == 2
    assert last.endswith("no twin there: twice (Lambda); build the model without them")
    assert [path.name for path in tmp_path.iterdir()] == ["own.keras"]


def test_the_file_that_is_compressed_is_never_replaced(toy, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compressed" / "nested").mkdir(parents=True)
    file = tmp_path / "compressed" / "nested" / "nested.keras"
    toy("nested").save(file)
    before = file.read_bytes()
    status, last = ends(capfd, "--model", str(file), "--cluster", "4", "--first-and-last")
    assert status == 2
    assert last.endswith("is where the compressed network would be written; choose another --out")
    assert file.read_bytes() == before


def test_a_lane_that_cannot_exist_is_told_in_a_line(toy, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    toy("plain").save("plain.keras")
    status, last = ends(capfd, "--model", "plain.keras", "--prune", "0.5")
    assert status == 2
    assert last.startswith(f"error: the lane {LANES['tfmot'].name} cannot exist here: it needs")
    assert [path.name for path in tmp_path.iterdir()] == ["plain.keras"]


@pytest.fixture
def folder(tmp_path):
    """Pictures of two classes."""
    for name in ("cat", "dog"):
        for index in range(6):
            path = tmp_path / "pictures" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((9, 9, 3), 40 * index, np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--net", "vgg11"], "has 2 folders with pictures and the network 5 classes, so their"),
        ([], "how pictures become inputs of nested.keras is not known; say it with --preprocess"),
    ],
)
def test_pictures_of_other_classes_or_of_unknown_reading_end_in_a_line(
    toy, folder, capfd, tmp_path, monkeypatch, argv, line
):
    monkeypatch.chdir(tmp_path)
    toy("nested").save("nested.keras")
    command = ["--model", "nested.keras", "--prune", "0.5", "--images", str(folder), *argv]
    status, last = ends(capfd, *command)
    assert status == 2
    assert line in last
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nested.keras", "pictures"]


@pytest.fixture
def taught(monkeypatch):
    """The lessons of each compression, which is not done."""
    found = []

    def keep(model, method, out, *, lessons, **options):
        found.append(lessons)
        raise AccuracyLost("seen enough")

    monkeypatch.setattr("export.compression.compress.compress_model", keep)
    return found


def pair(path):
    """Save a network of two classes."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))
    keras.Model(image, keras.layers.Dense(2, name="last")(x), name="pair").save(path)


def test_preprocess_says_how_pictures_are_read(folder, taught, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair("pair.keras")
    Image.new("RGB", (20, 16), (10, 20, 30)).save(folder / "cat" / "7.png")
    command = ["--model", "pair.keras", "--prune", "0.5", "--images", "pictures"]
    how = "scale=51,mean=102,short=18,order=bgr"
    assert main([*command, "--preprocess", how]) == 1
    assert (taught[0].std, taught[0].mean) == ((0.2,) * 3, (0.4,) * 3)
    images = taught[0].train.images
    assert images.shape == (9, 18, 18, 3), "with a margin to cut from"
    images.write_to(tmp_path / "train.npy")
    assert np.load(tmp_path / "train.npy")[4, 0, 0].tolist() == [30, 20, 10]
    status, last = ends(capfd, *command, "--preprocess", "scale=0")
    assert (status, "cannot be 0" in last) == (2, True)
    status, last = ends(capfd, *command, "--preprocess", "vgg13", "--net", "vgg13")
    assert (status, last) == (2, "error: --net and --preprocess say the same; give one of them")
    command[1] = "vgg13"
    status, last = ends(capfd, *command, "--preprocess", "scale=1")
    assert last.startswith("error: --preprocess is for models outside the catalog; leave it out")


def test_arrays_are_taken_as_they_are_or_normalised(folder, taught, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair("pair.keras")
    images, labels = np.zeros((6, 16, 16, 3), np.float32), np.arange(6) % 2
    np.savez("floats.npz", images=images, labels=labels)
    np.savez("bytes.npz", images=images.astype(np.uint8), labels=labels)
    command = ["--model", "pair.keras", "--prune", "0.5", "--images"]
    assert main([*command, "floats.npz"]) == 1
    assert (taught[-1].mean, taught[-1].train.labels.tolist()) == ((0.0,), [0, 1, 0, 1])
    assert main([*command, "bytes.npz", "--preprocess", "scale=51,mean=102"]) == 1
    assert taught[-1].mean == (0.4,) * 3
    for more, line in (
        (
            ["bytes.npz"],
            "how pictures become inputs of pair.keras is not known; say it with --",
        ),
        (["none.npz"], "--images none.npz is not there"),
        (
            ["floats.npz", "--labels", "pair.keras"],
            "--labels is for folders; floats.npz has",
        ),
        (["floats.npz", "--held-out", "pictures"], "are both folders of pictures, or both .npz"),
    ):
        status, last = ends(capfd, *command, *more)
        assert status == 2 and line in last


def test_only_a_classifier_of_pictures_is_taught(capfd, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = keras.Input((4,), name="a"), keras.Input((5,), name="b")
    x = keras.layers.Concatenate()([first, second])
    keras.Model([first, second], keras.layers.Dense(2)(x), name="two").save("two.keras")
    status, last = ends(
        capfd, "--model", "two.keras", "--prune", "0.5", "--images", str(folder), "--net", "vgg11"
    )
    assert status == 2
    assert last.startswith("error: training is of classifiers of pictures, one image in and one")


def test_a_picture_that_is_none_is_named(toy, folder, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("export.compression.compress.make", lambda lane, progress: None)
    pair("pair.keras")
    (folder / "cat" / "3.png").write_bytes(b"no picture")
    command = ["--model", "pair.keras", "--prune", "0.5", "--images", str(folder), "--net", "vgg11"]
    status, last = ends(capfd, *command, "--first-and-last")
    assert status == 2
    assert "3.png" in last and last.startswith("error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.keras", "pictures"]


def test_a_disk_too_small_for_checkpoints_ends_in_a_line(toy, folder, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("export.compression.compress.make", lambda lane, progress: None)
    usage = namedtuple("usage", "total used free")(100, 1, 99)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    pair("pair.keras")
    command = ["--model", "pair.keras", "--prune", "0.5", "--images", str(folder), "--net", "vgg11"]
    status, last = ends(capfd, *command, "--first-and-last")
    assert status == 2
    assert last.startswith("error: checkpoints of the training take up to ")
    assert last.endswith("has 99 bytes free; free some space or choose another --out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.keras", "pictures"]


def test_a_lane_that_lost_keras_2_is_said_to_be_damaged(toy, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    lane = LANES["tfmot"]
    lane.python.parent.mkdir(parents=True)
    lane.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # which has no tf_keras
    lane.python.chmod(0o755)
    (lane.folder / "lane.json").write_text(json.dumps({"requirements": lane.digest}))
    toy("plain").save("plain.keras")
    status, last = ends(capfd, "--model", "plain.keras", "--prune", "0.5")
    assert status == 2
    assert last.startswith("error: the lane tfmot at ") and last.endswith(
        "is damaged; delete that folder, and the next run makes it again"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lanes", "plain.keras"]


@pytest.mark.parametrize("option", ["--resume", "--min-accuracy=0.9"])
def test_options_of_training_need_pictures(capsys, option):
    status, last = ends(capsys, "--model", "vgg11", "--prune", "0.5", option)
    assert (status, last) == (
        2,
        f"error: {option.partition('=')[0]} is for training; give --images too",
    )


def test_an_accuracy_that_fell_too_far_exits_with_1(toy, capfd, tmp_path, monkeypatch):
    def lose(*args, **options):
        raise AccuracyLost("the accuracy fell from 90.0% to 20.0%")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("export.compression.compress.compress_model", lose)
    toy("nested").save("nested.keras")
    assert main(["--model", "nested.keras", "--prune", "0.5"]) == 1
    told = capfd.readouterr().err.splitlines()[-1]
    assert told == "error: the accuracy fell from 90.0% to 20.0%"
