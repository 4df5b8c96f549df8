"""The command line of evaluate: a real artifact, its Keras model, and every way to be refused."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import evaluate, export

ROOT = Path(__file__).parents[2]


GOLDEN = ROOT / "tests" / "golden" / "digits"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A SqueezeNet that was trained on digits, as ONNX."""
    from export.pipeline import Options, export_model
    from keras_nets import load_weights

    weights = GOLDEN / "squeezenet1_1.npz"
    model = load_weights("squeezenet1_1", weights, image=(64, 64, 3))
    out = tmp_path_factory.mktemp("exports")
    options = Options(weights_source=str(weights), flavour="paddle")
    (report,) = export_model(model, ["onnx"], out, options=options)
    assert report.passed
    return out / "squeezenet1_1" / "onnx"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The 360 digits that the network was not trained on, in a folder a class."""
    folder = tmp_path_factory.mktemp("digits")
    with np.load(GOLDEN / "held_out.npz") as held_out:
        images, labels = held_out["images"], held_out["labels"]
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{index:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture
def pictures(digits, tmp_path):
    """Six digits of each class, one of which is cut short."""
    folder = tmp_path / "pictures"
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for path in sorted((digits / str(label)).iterdir())[:6]:
            shutil.copy(path, folder / str(label))
    broken = min((folder / "2").iterdir())
    broken.write_bytes(broken.read_bytes()[:60])
    return folder


@pytest.fixture
def run(tmp_path, capsys):
    def run(*arguments):
        try:
            status = evaluate.main([*map(str, arguments), "--state", str(tmp_path / "state")])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return run


def edit(exported: Path, folder: Path, **changes) -> Path:
    """A copy of an artifact whose report says something else."""
    copy = Path(shutil.copytree(exported, folder))
    report = json.loads((copy / "report.json").read_text())
    if "options" in changes:
        del report["contract"]  # else the two differ, which is refused
    (copy / "report.json").write_text(json.dumps(report | changes))
    return copy


def test_a_trained_network_and_its_artifact_know_digits_they_never_saw(run, exported, digits):
    status, out, err = run(exported, "--images", digits)
    assert status == 0
    lines = [re.split("  +", line) for line in out.splitlines()]
    assert lines[0] == [f"360 pictures of 10 classes below {digits}"]
    assert lines[2] == ["network", "top-1", "top-5", "agreement", "pictures/s"]
    assert lines[3][:1] + lines[3][2:4] == ["squeezenet1_1/keras", "100.00 %", "-"]
    assert lines[4][:1] + lines[4][2:4] == ["squeezenet1_1/onnx", "100.00 %", "100.00 %"]
    assert all(float(line[1].partition(" ")[0]) > 97 for line in lines[3:5])
    assert "squeezenet1_1/onnx: ran ONNX Runtime on the CPU" in out
    assert "squeezenet1_1/onnx: 360 of 360" in err


def test_json_has_everything_and_nothing_else_on_standard_output(run, exported, pictures, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{label} {label}\n" for label in range(9)))
    status, out, err = run(
        exported, "--images", pictures, "--labels", labels, "--no-keras", "--json", "--limit", 27
    )
    assert status == 0
    document = json.loads(out)
    assert document["images"]["pictures"] == 27 and document["images"]["unlabelled"] == 6
    (broken,) = document["images"]["broken"]
    assert broken["picture"].startswith("2/") and f"broken: {broken['reason']}" in err
    (network,) = document["networks"]
    assert network["name"] == "squeezenet1_1/onnx" and network["pictures"] == 26
    assert network["top1"] > 0.95 and network["agreement"] is None
    assert network["ran"] == "ONNX Runtime on the CPU"
    assert not list((tmp_path / "state").iterdir())


def test_ray_finds_what_the_pool_finds_of_artifact_and_model(run, exported, pictures, monkeypatch):
    pytest.importorskip("ray.data", reason="comes with pip install '.[ray]'")
    monkeypatch.chdir(exported.parent)
    asked = [exported.name, "--images", pictures, "--json", "--workers", 2]
    status, out, _ = run(*asked, "--engine", "ray")
    assert status == 0
    found, expected = (json.loads(text) for text in (out, run(*asked)[1]))
    for network in found["networks"] + expected["networks"]:
        assert network.pop("pictures_per_s") > 0
    assert found["networks"] == expected["networks"]
    assert len(found["images"]["broken"]) == 1
    assert found["images"]["broken"] == expected["images"]["broken"]


def test_a_model_that_cannot_be_built_is_one_line_and_the_artifact_is_measured(
    run, exported, pictures, tmp_path
):
    gone = edit(exported, tmp_path / "gone", weights={"source": "gone.pth", "sha256": "0"})
    status, out, _ = run(gone, "--images", pictures)
    assert status == 2
    assert "squeezenet1_1/keras  not run: gone.pth is not there; say with --weights" in out
    assert re.search(r"squeezenet1_1/onnx +\d+\.\d\d % ±", out)
    assert list((tmp_path / "state").iterdir()), "what was measured is kept for --resume"


def test_a_model_of_other_weights_is_not_what_the_artifact_was_made_from(exported, tmp_path):
    from export.errors import ArtifactError

    seeded = edit(exported, tmp_path / "seeded", weights={"source": "seeded:4", "sha256": "0"})
    with pytest.raises(ArtifactError, match="seeded:4 holds other weights than .*seeded was exp"):
        keras_subject(seeded).load()


def keras_subject(folder, *options):
    """The subject of the Keras model behind the artifact in `folder`."""
    from export.evaluation.subjects import read_evaluated

    args = evaluate._parser().parse_args([str(folder), "--images", ".", *options])
    return evaluate._subjects([read_evaluated(folder)], args)[0]


def test_what_another_process_loads_and_reads_comes_from_modules_and_pickles(exported):
    from export.evaluation.subjects import read_evaluated

    args = evaluate._parser().parse_args([str(exported), "--images", "."])
    for subject in evaluate._subjects([read_evaluated(exported)], args):
        for call in (subject.load, subject.read):
            assert call.func.__module__.split(".")[0] in ("export", "keras_nets")
        again = pickle.loads(pickle.dumps(subject))
        assert (again.identity, again.load.func) == (subject.identity, subject.load.func)


def test_the_pages_figures_are_for_a_thousand_classes_and_real_weights(exported, tmp_path):
    from export.report.artifact import read_artifact

    def published(weights, classes, flavour="paddle"):
        options = {"classes": classes, "image": [224, 224, 3], "flavour": flavour}
        folder = tmp_path / f"{weights} {classes} {flavour}".replace("/", "_")
        changes = {"weights": {"source": weights, "sha256": "0"}, "options": options}
        return evaluate._published(read_artifact(edit(exported, folder, **changes)))

    assert published("squeezenet.pdparams", 1000) == (0.601, 0.819)
    assert published("squeezenet.pth", 1000, "torchvision") == (0.58178, 0.80624)
    assert published("squeezenet.pth", 10) is None
    assert published("seeded:0", 1000) is None


def test_what_cannot_be_evaluated_is_one_line_and_status_2(run, exported, pictures, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    narrow = edit(
        exported, tmp_path / "narrow", options={"classes": 9, "image": [48, 64, 3], "flavour": ""}
    )
    for arguments, message in (
        ((empty, "--images", pictures), "no report.json"),
        ((exported, "--images", tmp_path / "nowhere"), "is not there; name a folder of pictures"),
        ((exported, "--images", empty), "no picture below"),
        ((exported, narrow, "--images", pictures), "different class counts"),
        ((narrow, "--images", pictures), "takes images 48x64x3; pictures are cropped square"),
        ((exported, "--images", pictures, "--labels", empty / "a"), "a is not there; name a file"),
        ((exported, "--images", pictures / "0"), "lies in no class's folder"),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("error: ") and message in err and err.count("\n") == 1


def test_numbers_are_checked_and_an_interruption_says_how_to_go_on(
    run, exported, pictures, monkeypatch
):
    status, _, err = run(exported, "--images", pictures, "--batch", "0")
    assert status == 2 and "should be a whole number from 1 up. Received: '0'" in err

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "_run", interrupted)
    status, _, err = run(exported, "--images", pictures)
    assert (status, err) == (130, "stopped; go on with --resume\n")


def test_help_works_from_anywhere_and_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", ROOT / "tools" / "evaluate.py", "--help"]
    ran = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert ran.returncode == 0 and "--images DIR" in ran.stdout
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "argparse" in loaded and not loaded & {"numpy", "PIL", "keras", "tensorflow"}


def test_a_model_outside_the_catalog_has_a_way_to_be_measured(
    run, export_toy, toy, pictures, tmp_path
):
    artifact = export_toy("plain", "onnx").folder
    asked = (artifact, "--images", pictures)
    status, _, err = run(*asked)
    assert status == 2 and "name its model with --model, or in Python call export" in err
    status, _, err = run(*asked, "--no-keras")
    assert status == 2 and "say it with --preprocess, as in scale=127.5" in err
    status, _, err = run(*asked, "--no-keras", "--net", "VGG13")
    assert status == 2 and "past the last of 5 classes" in err
    status, _, err = run(*asked, "--no-keras", "--preprocess", "scale=0")
    assert status == 2 and "divides by its scale" in err

    saved = tmp_path / "plain.keras"
    toy("plain").save(saved)
    loaded = keras_subject(Path(artifact), "--model", str(saved), "--net", "vgg13").load()
    assert loaded.predict(np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 5)


def test_a_model_of_a_function_is_built_again_by_its_report(tmp_path, monkeypatch):
    (tmp_path / "nets_to_evaluate.py").write_text(
        "import keras\n"
        "def net(classes):\n"
        "    layers = [keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    return keras.Sequential([keras.Input((16, 16, 3)), *layers], name='own')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = ["--model", "nets_to_evaluate:net", "--model-arg", "classes=3"]
    # The seed draws its weights, too.
    assert export.main([*model, "--format", "onnx", "--seed", "7"]) == 0
    loaded = keras_subject(tmp_path / "exports" / "own" / "onnx", "--net", "vgg13").load()
    assert loaded.predict(np.zeros((1, 16, 16, 3), np.float32)).shape == (1, 3)
    named = keras_subject(Path("exports/own/onnx"), "--net", "vgg13", *model).load()
    assert named.predict(np.zeros((1, 16, 16, 3), np.float32)).shape == (1, 3)
