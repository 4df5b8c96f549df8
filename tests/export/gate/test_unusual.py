"""The gate before networks that are not built like ours: it accuses nobody, and misses nothing."""

import keras
import numpy as np
import pytest
from keras import layers

from export.checks import Case, Expected
from export.formats import find_format, open_network
from export.formats.base import Order
from export.gate.examine import Wish, examine
from export.networks.base import CONV, RELU
from export.observe.model import observe_model
from export.observe.probes import probes
from export.results import Status
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

pytestmark = pytest.mark.usefixtures("here")


def model_of(*middle, classes: int = 5, image=(16, 16, 3)):
    """A network with the layers of `middle` before its mean over the image."""
    x = inputs = keras.Input(image, name="image")
    for layer in middle:
        x = layer(x)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D(name="mean")(x)
    return seed_weights(keras.Model(inputs, layers.Dense(classes, name="last")(x), name="unusual"))


def write(model, format: str, folder):
    """The artifact's folder, and the reference of its model."""
    artifact, scratch = folder / "artifact", folder / "scratch"
    artifact.mkdir()
    scratch.mkdir()
    traced = trace(model)
    find_format(format).write(Order(skeleton=traced, folder=artifact, scratch=scratch))
    return artifact, observe_model(model, traced, {"image": probes(traced.image)})


def judged(format: str, artifact, reference, folder, wish=Wish(strict=True, layers=True)):  # noqa: B008
    unknown = Expected.unknown("it is in no catalog")
    case = Case(format=find_format(format), reference=reference, expected=unknown)
    checks = examine(case, artifact, folder / "scratch", wish)
    return {check.name: check for check in checks}


@keras.saving.register_keras_serializable("tests")
class Shuffle(layers.Layer):
    """Put channels in another order, by a table of indices of several kilobytes."""

    def call(self, x):
        order = np.random.default_rng(0).permutation(x.shape[-1]).astype("int64")
        return keras.ops.take(x, order, axis=-1)


@keras.saving.register_keras_serializable("tests")
class Whole(layers.Layer):
    """Round down by way of an integer."""

    def call(self, x):
        return keras.ops.cast(keras.ops.cast(x, "int32"), "float32")


MIDDLES = {
    "large indices": lambda: [layers.Conv2D(600, 3, name="wide"), Shuffle(name="shuffle")],
    "whole numbers": lambda: [
        layers.Conv2D(8, 3, name="first"),
        layers.Rescaling(1e6, name="scale"),
        Whole(name="whole"),
    ],
    "one axis": lambda: [
        layers.Reshape((16, 48), name="rows"),
        layers.Conv1D(8, 3, padding="same", activation="relu", name="along"),
        layers.GlobalAveragePooling1D(name="mean"),
    ],
    "pixels alone": lambda: [
        layers.Conv2D(8, 1, padding="same", activation="relu", name="alone"),
        layers.Conv2D(8, 3, padding="same", name="wide"),
        layers.Conv2D(8, 1, padding="same", activation="relu6", name="alone_again"),
    ],
}


CASES = [(case, format) for case in MIDDLES for format in ("savedmodel", "onnx")]


@pytest.mark.parametrize(
    ("case", "format"),
    [*CASES, pytest.param("large indices", "tftrt-fp32", marks=pytest.mark.lane)],
)
def test_a_right_artifact_has_full_power_and_no_layer_is_accused(tmp_path, case, format):
    artifact, reference = write(model_of(*MIDDLES[case]()), format, tmp_path)
    checks = judged(format, artifact, reference, tmp_path)
    for name in ("weights", "contract", "parity", "power"):
        assert checks[name].status is Status.PASSED, checks[name]
    assert "layers agree" in checks["parity"].note
    assert "diverges" not in checks["parity"].details


def test_one_class_cannot_be_swapped_with_another(tmp_path):
    model = model_of(layers.Conv2D(8, 3, activation="relu", name="first"), classes=1)
    artifact, reference = write(model, "onnx", tmp_path)
    checks = judged("onnx", artifact, reference, tmp_path)
    assert checks["power"].status is Status.PASSED
    notes = {entry["name"]: entry.get("note") for entry in checks["parity"].details["mutants"]}
    assert notes["two classes swapped"] == "without effect: one class"
    assert notes["classes reversed"] == "without effect: not one logit changes"


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_a_layer_called_twice_is_not_taken_for_its_namesake(tmp_path, format):
    """TensorFlow calls the second scope of `conv` `conv_1`, which is another layer's name here."""
    conv = layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")
    model = model_of(conv, conv, layers.Conv2D(8, 3, activation="relu", name="conv_1"))
    artifact, reference = write(model, format, tmp_path)
    parity = judged(format, artifact, reference, tmp_path)["parity"]
    assert "layers agree" in parity.note
    assert [entry["name"] for entry in parity.details["layers"]] == ["conv_1", "mean", "last"]


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_depthwise_kernels_and_clipped_relus_are_parts(tmp_path, format):
    depthwise = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="depthwise")
    artifact, _ = write(model_of(depthwise), format, tmp_path)
    parts = open_network(format, artifact).parts
    (conv,) = (part for part in parts if part.kind == CONV)
    assert conv.kernel
    assert conv.padded
    assert any(part.kind == RELU for part in parts)


def test_the_layers_of_a_model_that_is_not_finite_are_not_accused(tmp_path):
    model = model_of(layers.Conv2D(8, 3, name="first"))
    model.get_layer("first").bias.assign(np.full(8, np.nan))
    artifact, reference = write(model, "onnx", tmp_path)
    parity = judged("onnx", artifact, reference, tmp_path)["parity"]
    assert parity.status is Status.FAILED
    assert "the model's own logits are not finite" in parity.note
    assert "diverges" not in parity.note


@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_a_final_softmax_or_sigmoid_is_compared_before_it_and_kept(tmp_path, last):
    model = model_of(layers.Conv2D(8, 3, name="first"))
    ended = keras.Model(model.inputs, layers.Activation(last)(model.output), name="unusual")
    artifact, reference = write(ended, "onnx", tmp_path)
    (output,) = reference.contract.outputs
    assert (output.name, reference.endings) == ("probabilities", {"probabilities": last})
    checks = judged("onnx", artifact, reference, tmp_path)
    assert {check.status for check in checks.values()} <= {Status.PASSED, Status.SKIPPED}
    assert checks["parity"].details["power"]["caught"] == checks["parity"].details["power"]["of"]
    assert checks["parity"].measured < 2e-5 <= checks["parity"].allowed
