"""Compressing while training, in the lane, on a toy that learns in a second."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from export import Options, export_model
from export.calibration.images import of_array
from export.compression.arrays import lessons_of_arrays
from export.compression.compress import compress_model
from export.compression.content import learned_ranges
from export.compression.facts import holds_pattern
from export.compression.method import Method
from export.compression.resuming import prepare_checkpoint
from export.compression.training import Lessons, Pictures, Training
from export.errors import Shortage

pytestmark = [pytest.mark.lane, pytest.mark.usefixtures("kept_lane")]
CLASSES = 3


def pictures(count, seed):
    """Noise in which the channel of the class is brighter."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    images = random.standard_normal((count, 8, 8, 4)).astype(np.float32)
    images[np.arange(count), :, :, labels] += 0.7
    return Pictures(images, labels)


LESSONS = Lessons(train=pictures(320, 1), held_out=pictures(100, 2))
FAST = Training(epochs=2, rate=1e-3, flips=False)


@pytest.fixture(scope="module")
def dense():
    """A network that has learnt it."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(x)
    x = keras.layers.ReLU(name="relu1")(keras.layers.BatchNormalization(name="norm1")(x))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2")(x)
    x = keras.layers.Flatten(name="flat")(keras.layers.MaxPooling2D(2, name="pool")(x))
    x = keras.layers.Dense(16, activation="relu", name="fc3")(x)
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="last")(x), name="lesson")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(LESSONS.train.images, LESSONS.train.labels, epochs=8, verbose=0)
    return model


@pytest.fixture
def model(dense):
    copy = keras.models.clone_model(dense)
    copy.set_weights(dense.get_weights())
    return copy


def accuracy(model):
    logits = np.asarray(model(LESSONS.held_out.images))
    return float((logits.argmax(axis=1) == LESSONS.held_out.labels).mean())


def test_all_three_ways_follow_each_other_and_what_is_promised_holds(model, tmp_path):
    shown = []
    before = accuracy(model)
    for name in ("train", "held_out"):
        held = getattr(LESSONS, name)
        np.savez(tmp_path / f"{name}.npz", images=held.images, labels=held.labels)
    done = compress_model(
        model,
        Method(prune="2:4", cluster=8, qat=True),
        tmp_path / "out",
        lessons=lessons_of_arrays(tmp_path / "train.npz", tmp_path / "held_out.npz"),
        training=FAST,
        progress=lambda about, doing: shown.append(doing),
    )
    for name in ("conv2", "fc3"):
        kernel = np.asarray(model.get_layer(name).kernel)
        assert holds_pattern(kernel) and np.unique(kernel).size <= 8
    assert "clustering, epoch 2 of 2" in shown
    rounded = done.quantised.argmax(axis=1)
    told = done.content["accuracy"]
    assert (told["before"], told["after"], told["pictures"]) == (before, accuracy(model), 100)
    assert told["quantised"] == (rounded == LESSONS.held_out.labels).mean()
    assert told["after"] > 0.9
    agreed = np.asarray(model(LESSONS.held_out.images)).argmax(axis=1) == rounded
    assert agreed.mean() > 0.95
    ranges = done.content["ranges"]
    assert ranges["relu1"][0] == ranges["conv2"][0] == 0.0, "a ReLU gives nothing below zero"
    assert ranges["last"][0] < 0 < ranges["last"][1]
    entries = {layer["name"]: layer for layer in done.content["layers"]}
    assert entries["conv2"]["range"] == ranges["conv2"]
    assert ranges["image"][0] < 0 < ranges["image"][1], "the network's own input has one too"
    assert ranges["logits"] == ranges["last"]
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["compression.json", "lesson.keras"]


def test_int8_names_the_classes_that_were_trained_by_either_kind_of_ranges(model, tmp_path):
    out = tmp_path / "compressed"
    done = compress_model(model, Method(qat=True), out, lessons=LESSONS, training=FAST)
    seen = of_array(LESSONS.train.images, "noise")
    for name, learned in (("calibrated", {}), ("learned", learned_ranges(done.content))):
        options = Options(calibration=replace(seen, learned=learned))
        (report,) = export_model(model, ["onnx-int8"], tmp_path / name, options=options)
        session = onnxruntime.InferenceSession(Path(report.folder, "model.onnx"))
        (own,) = session.run(["logits"], {"image": LESSONS.held_out.images})
        agreed = own.argmax(axis=1) == done.quantised.argmax(axis=1)
        assert agreed.mean() >= 0.99, name
        if learned:
            apart = np.sqrt(np.square(own - done.quantised).mean()) / done.quantised.std()
            assert apart < 0.03, "they round alike and cut off alike"


def test_an_interrupt_keeps_the_best_so_far_and_can_be_resumed(model, dense, tmp_path):
    def interrupt(about, doing):
        if doing.startswith("pruning, epoch 2"):
            os.kill(os.getpid(), signal.SIGINT)

    training = Training(epochs=40, rate=1e-3, flips=False, patience=40)
    asked = (Method(prune=0.5), tmp_path)
    done = compress_model(model, *asked, lessons=LESSONS, training=training, progress=interrupt)
    assert done.interrupted.startswith("prune, epoch ")
    assert (np.asarray(model.get_layer("fc3").kernel) == 0).mean() == 0.5
    assert (tmp_path / "checkpoint" / "state.json").exists()
    assert keras.saving.load_model(done.path).name == "lesson"
    shown = []
    model.set_weights(dense.get_weights())
    again = Training(epochs=40, rate=1e-3, flips=False, patience=40, resume=True)
    done = compress_model(
        model,
        *asked,
        lessons=LESSONS,
        training=again,
        progress=lambda _, doing: shown.append(doing),
    )
    assert done.interrupted == ""
    assert "pruning, epoch 1 of 40" not in shown
    assert not (tmp_path / "checkpoint").exists()


def test_a_disk_that_fills_up_ends_in_a_line_and_the_training_goes_on_later(
    model, dense, tmp_path, monkeypatch
):
    def prepare(*asked):
        folder = prepare_checkpoint(*asked)
        (folder / "now.partial").symlink_to("/dev/full")  # what is written into it is too much
        return folder

    asked = {"lessons": LESSONS, "training": FAST}
    once = tmp_path / "once"
    compress_model(model, Method(prune=0.5), once, **asked)
    wanted = model.get_weights()
    model.set_weights(dense.get_weights())
    out = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr("export.compression.compress.prepare_checkpoint", prepare)
        line = "^the compression failed: no space left in .* free; .*; then --resume goes on$"
        with pytest.raises(Shortage, match=line):
            compress_model(model, Method(prune=0.5), out, **asked)
    assert all(map(np.array_equal, model.get_weights(), dense.get_weights()))
    assert [path.name for path in out.iterdir()] == ["checkpoint"]
    assert not list(out.glob("checkpoint/*.partial")), "what is half written takes no space"
    asked["training"] = replace(FAST, resume=True)
    compress_model(model, Method(prune=0.5), out, **asked)
    assert all(map(np.array_equal, model.get_weights(), wanted)), "as if nothing had happened"
    assert sorted(path.name for path in out.iterdir()) == ["compression.json", "lesson.keras"]
