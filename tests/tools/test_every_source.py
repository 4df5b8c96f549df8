"""Artifacts of each kind of `--model`, through every tool, and on a day when the source changed."""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.benchmark.keras_session import open_keras
from export.report.artifact import read_artifact
from keras_nets.weights.seeded import seed_weights
from tools import benchmark, bundle, evaluate, export, report, verify

NETS = """
import keras


def net(classes=3):
    image = keras.Input((16, 16, 3), name="photo")
    x = keras.layers.Conv2D(6, 3, activation="relu")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes)(x), name="own_net")
"""
SMALL = ["alpha=0.25", "classes=3", "input_shape=(32,32,3)"]
SCALED = ["--preprocess", "scale=64,mean=128"]
SOURCES = {  # by kind: the words of --model, and the options beside it
    "catalog": ("squeezenet1_1", ["--image-size", "64", "--classes", "3"]),
    "applications": (
        "keras.applications:MobileNet",
        [word for one in SMALL for word in ("--model-arg", one)],
    ),
    "file": ("own.keras", SCALED),
    "h5": ("own.h5", SCALED),
    "function": ("nets_of_every_source:net", [*SCALED, "--model-arg", "classes=3"]),
    "savedmodel": ("saved", SCALED),
}
SIDES = {"catalog": 64, "applications": 32}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with the pictures of three classes."""
    (tmp_path / "nets_of_every_source.py").write_text(NETS)
    random = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / "pictures" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("nets_of_every_source", None)


def save(words: str, seed: int) -> None:
    """Write the file or folder that `words` name, if they name one."""
    if words not in ("own.keras", "own.h5", "saved"):
        return
    model = seed_weights(import_module("nets_of_every_source").net(), seed=seed)
    if words == "saved":
        shutil.rmtree(words, ignore_errors=True)
        model.export(words, verbose=False)
    else:
        model.save(words)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_tool_takes_an_artifact_of_every_kind_of_model(here, capfd, kind):
    words, options = SOURCES[kind]
    save(words, seed=1)
    command = ["--model", words, *options, "--format", "onnx", "--name", "it"]
    assert export.main([*command, "--images", "pictures"]) == 0
    folder = "exports/it/onnx"
    assert verify.main([folder, "--no-self-test", "--images", "pictures"]) == 0
    capfd.readouterr()
    arguments = [folder, "--images", "pictures", "--no-keras", "--workers", "1", "--json"]
    assert evaluate.main(arguments) == 0
    (network,) = json.loads(capfd.readouterr().out)["networks"]
    assert network["top5"] is not None and not network["error"]
    assert report.main(["exports"]) == 0
    assert bundle.main([folder, "--to", "deploy"]) == 0
    assert bundle.main(["--check", "deploy"]) == 0
    artifact = read_artifact(Path(folder))
    session = open_keras(*benchmark._builder(artifact), "predict")
    (given,) = artifact.contract.inputs
    side = SIDES.get(kind, 16)
    made = session.predict({given.name: np.zeros((2, side, side, 3), np.float32)})
    assert made["output"].shape == (2, 3)


@pytest.mark.parametrize("kind", ["file", "h5", "savedmodel"])
def test_a_source_that_has_changed_is_said_by_verify_and_by_evaluate(here, capfd, kind):
    words, options = SOURCES[kind]
    save(words, seed=1)
    assert export.main(["--model", words, *options, "--format", "onnx", "--name", "it"]) == 0
    save(words, seed=2)
    folder = "exports/it/onnx"
    with pytest.raises(SystemExit) as ended:
        verify.main([folder])
    assert ended.value.code == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and f"{words} has changed since the export" in line
    if kind == "h5":  # a process of its own, which loads TensorFlow
        assert evaluate.main([folder, "--images", "pictures", "--workers", "1", "--json"]) == 2
        told = {one["name"]: one for one in json.loads(capfd.readouterr().out)["networks"]}
        assert "has changed since the export" in told["it/keras"]["error"]
        assert told["it/onnx"]["top1"] is not None


def test_a_module_that_has_changed_is_said_and_its_model_compared_all_the_same(here, capfd):
    words, _ = SOURCES["function"]
    seed = ["--seed", "3", "--model-arg", "classes=3"]
    assert export.main(["--model", words, *SCALED, *seed, "--format", "onnx"]) == 0
    Path("nets_of_every_source.py").write_text(NETS + "\n# changed\n")
    sys.modules.pop("nets_of_every_source", None)
    status = verify.main(["exports/own_net/onnx", "--no-self-test"])
    said = capfd.readouterr().err
    assert (status, "has changed since the export" in said) == (0, True)
