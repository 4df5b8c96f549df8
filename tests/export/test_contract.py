"""Networks of any contract: every name, type and free axis, in every format that can hold it."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from export import ExportError, export_model, verify
from export.contract import Contract, Tensor
from export.errors import ArtifactError
from export.evaluation.subjects import read_evaluated
from export.formats import find_format
from export.report.artifact import read_artifact
from export.results import Status
from export.runtimes import parity_runtime
from export.serving.bundle import add
from export.serving.lint import lint
from keras_nets.weights.seeded import seed_weights

LANE = pytest.mark.lane


def two_inputs():
    picture, age = keras.Input((16, 16, 3), name="picture"), keras.Input((4,), name="age")
    x = layers.Flatten()(layers.Conv2D(4, 3)(picture))
    return keras.Model(
        [picture, age], layers.Dense(5, name="score")(layers.Concatenate()([x, age]))
    )


def two_outputs():
    image = keras.Input((16, 16, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3)(image))
    kind, box = layers.Dense(5, activation="softmax")(x), layers.Dense(4, activation="sigmoid")(x)
    return keras.Model(image, {"kind": kind, "box": box})


def text():
    """Ids of any number, the zeros among them masked."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.LSTM(8)(layers.Embedding(50, 8, mask_zero=True)(ids))
    return keras.Model(ids, layers.Dense(3, name="mood")(x))


def masks_of_pictures():
    image = keras.Input((None, None, 3), name="picture")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    y = layers.UpSampling2D()(layers.MaxPooling2D()(x))
    return keras.Model(image, layers.Conv2D(2, 1, name="mask")(layers.Concatenate()([x, y])))


def bytes_in():
    pixels = keras.Input((16, 16, 3), dtype="uint8", name="pixels")
    x = layers.Flatten()(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, layers.Dense(5, name="score")(x))


def halves_in():
    half = keras.Input((12,), dtype="float16", name="half")
    return keras.Model(half, layers.Dense(5, name="score")(half))


def flags():
    given = keras.Input((12,), dtype="bool", name="flags")
    return keras.Model(given, layers.Dense(5, name="score")(keras.ops.cast(given, "float32")))


def left_open():
    """A layer says that it does not know how many rows it gives, and the network does."""
    rows = keras.Input((12, 5), name="rows")
    dense = layers.EinsumDense("abc,cd->abd", output_shape=(None, 7), name="spread")
    return keras.Model(rows, dense(rows))


MODELS = {
    "two inputs": (
        two_inputs,
        [("picture", "float32", ["batch", 16, 16, 3]), ("age", "float32", ["batch", 4])],
        [("score", "float32", ["batch", 5])],
    ),
    "two outputs": (
        two_outputs,
        [("input", "float32", ["batch", 16, 16, 3])],
        [("box", "float32", ["batch", 4]), ("kind", "float32", ["batch", 5])],
    ),
    "text": (
        text,
        [("ids", "int32", ["batch", "time"])],
        [("mood", "float32", ["batch", 3])],
    ),
    "free sides": (
        masks_of_pictures,
        [("picture", "float32", ["batch", "height", "width", 3])],
        [("mask", "float32", ["batch", "height", "width", 2])],
    ),
    "bytes": (
        bytes_in,
        [("pixels", "uint8", ["batch", 16, 16, 3])],
        [("score", "float32", ["batch", 5])],
    ),
    "float16": (
        halves_in,
        [("half", "float16", ["batch", 12])],
        [("score", "float32", ["batch", 5])],
    ),
    "left open": (
        left_open,
        [("rows", "float32", ["batch", 12, 5])],
        [("spread", "float32", ["batch", 12, 7])],
    ),
    "flags": (flags, [("flags", "bool", ["batch", 12])], [("score", "float32", ["batch", 5])]),
}
ONE_ENGINE = ("two inputs", "two outputs", "float16")


def tuples(entries: list[dict]) -> list[tuple]:
    return [(one["name"], one["dtype"], one["shape"]) for one in entries]


@pytest.fixture
def exported(here, tmp_path):
    """A function (name in MODELS, format) -> the model and its report."""

    def export(name: str, format: str):
        model = seed_weights(MODELS[name][0](), seed=1)
        model.name = "own"
        (report,) = export_model(model, [format], tmp_path)
        return model, report

    return export


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
@pytest.mark.parametrize("name", MODELS)
def test_a_network_of_any_contract_is_exported_and_verified(exported, name, format):
    model, report = exported(name, format)
    assert [c.name for c in report.checks if c.status is Status.FAILED] == []
    _, inputs, outputs = MODELS[name]
    content = json.loads((Path(report.folder) / "report.json").read_text())
    assert tuples(content["contract"]["inputs"]) == inputs
    assert tuples(content["contract"]["outputs"]) == outputs
    assert not {"image", "classes"} & content["options"].keys(), "it is no classifier of pictures"
    artifact = read_artifact(Path(report.folder))
    assert (artifact.image, artifact.classes) == (None, None)
    assert verify(model, report.folder).passed


@LANE
@pytest.mark.parametrize("name", ONE_ENGINE)
def test_one_engine_takes_and_gives_several_tensors(exported, name):
    _, report = exported(name, "tftrt-fp16")
    assert [c.name for c in report.checks if c.status is Status.FAILED] == []


@LANE
@pytest.mark.parametrize(
    ("name", "axis", "advice"),
    [("text", "time", "$"), ("free sides", "height", ", as --image-size does$")],
)
def test_tensorrt_is_refused_a_free_axis_before_any_work(exported, name, axis, advice, tmp_path):
    with pytest.raises(ValueError, match=f"has a free axis {axis}; give it a fixed size{advice}"):
        exported(name, "tftrt-fp16")
    assert not list(tmp_path.rglob("*.pb"))


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_free_axes_stay_free_in_the_artifact(exported, format):
    model, report = exported("free sides", format)
    picture = np.random.default_rng(0).standard_normal((2, 12, 20, 3)).astype(np.float32)
    with parity_runtime(find_format(format)).open(Path(report.folder)) as session:
        made = session.predict({"picture": picture})["mask"]
    np.testing.assert_allclose(made, model(picture), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("text", "; compared at time 47 too, off by "),
        ("free sides", "; compared at height 32, width 32 too, off by "),  # odd ones it cannot add
    ],
)
def test_artifacts_are_compared_at_two_lengths_of_free_axes(exported, name, says):
    _, report = exported(name, "onnx")
    assert says in report.check("parity").note


def test_inputs_by_name_are_compared_too(exported, tmp_path):
    model, report = exported("two inputs", "onnx")
    picture = np.zeros((2, 16, 16, 3), np.float32)
    given = {"picture": picture, "age": np.ones((2, 4), np.float32)}
    again = verify(model, report.folder, images=given)
    assert again.check("parity").note.startswith("score of 10 inputs compared")
    with pytest.raises(ValueError, match="are the network's: picture, age. Received: one array"):
        verify(model, report.folder, images=picture)


def test_of_several_outputs_the_wrong_one_is_named(exported, tmp_path):
    model, report = exported("two outputs", "onnx")
    kind = next(one for one in model.layers if getattr(one, "units", 0) == 4)
    kind.bias.assign(np.asarray(kind.bias) + 0.5)
    check = verify(model, report.folder, compare_hashes=False).check("parity")
    assert check.status is Status.FAILED and check.note.startswith("worst at box: ")
    passed = {name: entry["passed"] for name, entry in check.details["outputs"].items()}
    assert passed == {"box": False, "kind": True}


def test_an_operation_without_a_conversion_is_said_before_anything_is_written(here, tmp_path):
    x = keras.Input((12,), name="x")
    bins = layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0])
    model = seed_weights(keras.Model(x, [y := layers.Dense(5)(x), bins(y)]))
    with pytest.raises(ExportError, match="no conversion of the operation Bucketize"):
        export_model(model, ["onnx"], tmp_path)
    (report,) = export_model(model, ["savedmodel"], tmp_path)
    assert report.passed and report.contract["outputs"][1]["dtype"].startswith("int")


def test_a_model_in_mixed_precision_is_exported_as_its_copy_in_float32(here, tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, dtype="mixed_float16", name="conv")(image)
    model = keras.Model(image, layers.Dense(5, dtype="float32")(layers.Flatten()(x)), name="half")
    (report,) = export_model(seed_weights(model), ["onnx"], tmp_path)
    assert report.passed
    assert report.warnings[0].startswith("conv computes in float16, and ")
    assert model.get_layer("conv").compute_dtype == "float16", "the user's model stays as it is"
    assert verify(model, report.folder).warnings[0] == report.warnings[0]


def test_a_contract_goes_into_a_report_and_back():
    contract = Contract(
        (Tensor("ids", "int32", ("batch", "time")),), (Tensor("mood", "float32", ("batch", 3)),)
    )
    assert Contract.from_dict(json.loads(json.dumps(contract.as_dict()))) == contract
    assert contract.classifier is None and contract.free == ("time",)
    for wrong in ({}, {"inputs": 1, "outputs": []}, {"inputs": [{}], "outputs": []}, []):
        with pytest.raises(ValueError, match="contract is "):
            Contract.from_dict(wrong)


def test_another_network_is_served_and_says_in_a_line_what_is_of_pictures_alone(exported, tmp_path):
    _, report = exported("two inputs", "savedmodel")
    add(report.folder, tmp_path / "deploy")
    assert lint(tmp_path / "deploy") == []
    other = "one float32 image in and one row of logits out, and .* takes `picture` .*, `age` .* gi"
    with pytest.raises(ArtifactError, match=f"evaluation on pictures is of .*{other}"):
        read_evaluated(Path(report.folder))
