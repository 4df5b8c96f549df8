"""The whole way in the lane, on toys, without training."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from export.compression.compress import compress_model
from export.compression.facts import holds_pattern
from export.compression.likeness import Likeness
from export.compression.method import Method
from export.errors import AccuracyLost, ExportError
from export.pipeline import verify
from export.process import in_this_process
from export.results import Status
from keras_nets.weights.seeded import seed_weights


def in_kept_lane(test):
    """Mark a test of the lane, which is started once for all of these."""
    return pytest.mark.lane(pytest.mark.usefixtures("kept_lane")(test))


def fresh(toy, name):
    """A copy of a toy, for a compression changes the model that it is given."""
    copy = keras.models.clone_model(toy(name))
    copy.set_weights(toy(name).get_weights())
    return copy


@pytest.fixture(scope="module")
def compressed(toy, kept_lane, tmp_path_factory):
    """A function (toy, what is asked) -> what came of it, and the model as it lies on disk."""
    made = {}

    def compress(name, **asked):
        key = (name, tuple(asked.items()))
        if key not in made:
            out = tmp_path_factory.mktemp("compressed")
            done = compress_model(fresh(toy, name), Method(**asked), out)
            made[key] = done, keras.saving.load_model(done.path)
        return made[key]

    return compress


@in_kept_lane
def test_a_share_of_each_kernel_is_zero_and_nothing_else_changes(compressed, toy):
    done, model = compressed("plain", prune=0.5)
    before = {one.path: np.asarray(one) for one in toy("plain").weights}
    for variable in model.weights:
        values, was = np.asarray(variable), before[variable.path]
        if variable.path in ("conv2/kernel", "conv3/kernel", "fc4/kernel"):
            assert (values == 0).mean() == 0.5
            assert np.array_equal(values[values != 0], was[values != 0])
            assert np.abs(was[values == 0]).max() <= np.abs(was[values != 0]).min()
        else:
            assert np.array_equal(values, was)
    assert done.left == {"conv1": "it is the first layer", "logits": "it is the last layer"}
    assert json.loads(done.path.with_name("compression.json").read_text()) == done.content
    assert done.content["sha256"]["before"] != done.content["sha256"]["after"]


@in_kept_lane
def test_a_folder_of_the_users_is_left_alone(toy, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "mine").write_text("weeks of work")
    compress_model(fresh(toy, "nested"), Method(cluster=4, ends=True), tmp_path)
    assert (tmp_path / "checkpoint" / "mine").read_text() == "weeks of work"


@in_kept_lane
def test_pattern_and_clusters_go_together(compressed, toy):
    done, model = compressed("plain", prune="2:4", cluster=16, only=("conv2", "fc4"))
    entries = {layer["name"]: layer for layer in done.content["layers"]}
    for name in ("conv2", "fc4"):
        values = np.asarray(model.get_layer(name).kernel)
        assert holds_pattern(values)
        assert np.unique(values).size <= 16
        was = np.asarray(toy("plain").get_layer(name).kernel)
        assert np.corrcoef(values[values != 0], was[values != 0])[0, 1] > 0.99
        assert entries[name] == {
            "name": name,
            "weight": f"{name}/kernel",
            "sparsity": 0.5,
            "pattern": "2:4",
            "distinct": np.unique(values).size,
        }
    assert entries["conv3"]["left"] == "--only names others"
    assert entries["conv3"]["pattern"] == "dense"


@in_kept_lane
@pytest.mark.parametrize("name", ["odd", "shared", "nested"])
def test_networks_of_every_build_have_a_twin(compressed, name):
    done, _ = compressed(name, cluster=4, ends=True)
    assert {layer["distinct"] for layer in done.content["layers"]} == {4}


@in_kept_lane
def test_a_twin_that_computes_something_else_stops_the_work(toy, tmp_path, monkeypatch):
    model = fresh(toy, "nested")
    before, run = model.get_weights(), Likeness.outputs
    off = 1e-3  # of a standard deviation: ten times what was allowed before noise was measured
    monkeypatch.setattr(
        Likeness,
        "outputs",
        lambda *asked: {name: y + off * y.std() for name, y in run(*asked).items()},
    )
    with pytest.raises(ExportError, match="^the twin in Keras 2 gives other logits: they are off"):
        compress_model(model, Method(cluster=4, ends=True), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert all(map(np.array_equal, before, model.get_weights()))


def two_inputs():
    """Of rank 2 and 3, the second by way of a model within the model."""
    age, series = keras.Input((6,), name="age"), keras.Input((12, 3), name="series")
    x, y = keras.Input((7,)), keras.Input((5,))
    inner = keras.Model([x, y], layers.Concatenate(name="both")([x, y]), name="inner")
    mean = layers.GlobalAveragePooling1D()(layers.Conv1D(5, 3, name="conv")(series))
    x = inner([layers.Dense(7, activation="relu", name="first")(age), mean])
    x = layers.Dense(8, name="middle")(x)
    return keras.Model([age, series], layers.Dense(2, name="score")(x), name="two")


def two_outputs():
    image = keras.Input((8, 8, 4), name="picture")
    x = layers.Conv2D(8, 3, name="first")(image)
    x = layers.Flatten()(layers.Conv2D(8, 3, activation="relu", name="middle")(x))
    named = {"kind": layers.Dense(3, activation="softmax")(x), "box": layers.Dense(4, name="b")(x)}
    return keras.Model(image, named, name="pair")


def ids():
    given = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(20, 8, name="first")(given)
    x = layers.Dense(8, name="middle")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(given, layers.Dense(3, name="mood")(x), name="words")


@in_kept_lane
@pytest.mark.parametrize("build", [two_inputs, two_outputs, ids])
def test_networks_of_any_contract_are_compressed_in_one_shot(build, tmp_path):
    model = seed_weights(build(), seed=1)
    out = tmp_path / "compressed"
    done = compress_model(model, Method(prune="2:4", cluster=16, only=("middle",)), out)
    kernel = np.asarray(keras.saving.load_model(done.path).get_layer("middle").kernel)
    assert holds_pattern(kernel) and np.unique(kernel).size <= 16


@pytest.mark.parametrize("build", [two_inputs, two_outputs])
def test_training_is_of_classifiers_of_pictures(build, tmp_path):
    with pytest.raises(ValueError, match="^training is of classifiers of pictures, one image in"):
        compress_model(build(), Method(prune=0.5), tmp_path, lessons=object())


def test_an_accuracy_that_collapsed_writes_nothing_and_leaves_the_model(toy, tmp_path, monkeypatch):
    def collapse(*asked):
        kernel = {"conv2|kernel": np.zeros((3, 3, 8, 8), np.float32)}
        return {"difference": 0.0, "accuracy": {"before": 0.9, "after": 0.84}}, kernel

    monkeypatch.setattr("export.compression.compress.make", lambda lane, progress: None)
    monkeypatch.setattr("export.compression.compress.ask_lane", collapse)
    monkeypatch.setattr(Likeness, "difference", lambda *asked: "")
    model = fresh(toy, "plain")
    line = r"^the accuracy fell from 90.0% to 84.0%, below 85.0%, so nothing was written; train lon"
    with pytest.raises(AccuracyLost, match=line):
        compress_model(model, Method(prune=0.5), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert all(map(np.array_equal, model.get_weights(), toy("plain").get_weights()))


def test_what_is_foreign_is_seen_before_any_work(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    (tmp_path / "plain.keras").write_text("mine")
    with pytest.raises(ExportError, match=r"plain.keras is there, and no compression.json"):
        compress_model(toy("plain"), Method(prune=0.5), tmp_path)
    assert not (tmp_path / "lanes").exists()


@in_kept_lane
def test_the_artifact_of_every_format_shows_what_was_done(compressed, tmp_path):
    from export import FORMATS, Options, export_model
    from export.calibration.reading import synthetic
    from export.compression.content import read_beside

    done, model = compressed("plain", prune="2:4", cluster=16, only=("conv2", "fc4"))
    options = Options(compression=read_beside(done.path), calibration=synthetic(count=8))
    with in_this_process():
        reports = export_model(model, list(FORMATS), tmp_path, options=options)
    for report in reports:
        check = report.check("compression")
        assert check.status is Status.PASSED, report.format
        assert check.note.startswith("2 kernels as promised, 2 sparse, 2 with 2:4, 2 clustered")
        written = json.loads((tmp_path / "plain" / report.format / "report.json").read_text())
        assert written["compression"] == done.content
    _fill_one_zero(tmp_path / "plain" / "onnx" / "model.onnx", "fc4/kernel")
    with in_this_process():
        again = verify(model, tmp_path / "plain" / "onnx", compare_hashes=False)
    assert again.check("compression").note == (
        "fc4/kernel: 1,535 of 3,072 values are zero instead of 1,536"
    )


def _fill_one_zero(path, name):
    import onnx

    held = onnx.load(str(path))
    (tensor,) = (one for one in held.graph.initializer if one.name == name)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[tuple(np.argwhere(values == 0)[0])] = values.max()
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    onnx.save(held, str(path))
