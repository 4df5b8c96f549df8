"""The first layer that differs, in artifacts of a network in which one layer was changed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from export.checks import Case, Expected, Trial, run_checks
from export.formats import find_format, open_network
from export.formats.base import Order
from export.gate import compare, divergence
from export.gate.compare import difference
from export.gate.divergence import UNMEASURED, as_details, find_divergence
from export.gate.examine import examine, observed
from export.networks.layers import layer_tensors
from export.observe.model import observe_model
from export.observe.probes import inputs
from export.process import ChildFailed, ask
from export.results import Status, find
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

ONNX = find_format("onnx")
FORMATS = ["savedmodel", "onnx", pytest.param("tftrt-fp16", marks=pytest.mark.lane)]


def looked_at(reference, folder, scratch, format: str = "onnx") -> Trial:
    """The artifact in `folder`, as it was looked at."""
    unknown = Expected.unknown("a toy is in no catalog")
    case = Case(format=find_format(format), reference=reference, expected=unknown)
    return observed(case, folder, scratch)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["plain", "odd", "nested"])
def test_an_honest_artifact_agrees_in_every_layer(here, reference, written, tmp_path, name, format):
    folder = written(name, format)
    judged = looked_at(reference(name), folder, tmp_path, format)
    found = find_divergence(judged, folder, tmp_path)
    assert found.first is None, str(found)
    assert len(found.layers) >= 3
    assert str(found) == f"all {len(found.layers)} layers agree"


@pytest.fixture(scope="module", params=FORMATS)
def tampered(request, toy, tmp_path_factory):
    """A function from the name of a layer to an artifact in which it has other weights."""
    import keras

    def write(layer: str):
        model = keras.models.clone_model(toy("plain"))
        model.set_weights(toy("plain").get_weights())
        own = model.get_layer(layer)
        own.set_weights([value * np.float32(1.01) for value in own.get_weights()])
        folder = tmp_path_factory.mktemp(layer)
        find_format(request.param).write(
            Order(skeleton=trace(model), folder=folder, scratch=folder)
        )
        return request.param, folder

    return write


@pytest.mark.parametrize(
    ("layer", "named", "fine"),
    [("conv1", "norm1", "pad1"), ("conv3", "conv3", "add"), ("logits", "logits", "fc4")],
)
def test_the_first_layer_that_differs_is_named(
    here, reference, tampered, tmp_path, layer, named, fine
):
    format, folder = tampered(layer)
    judged = looked_at(reference("plain"), folder, tmp_path, format)
    found = find_divergence(judged, folder, tmp_path)
    assert found.first.name == named
    names = [entry.name for entry in found.layers]
    if fine in names:
        assert not found.layers[names.index(fine)].differs
        before = names.index(named)
        agree = "the one before it agrees" if before == 1 else f"the {before} before it agree"
        assert agree in str(found)
    assert 1e-3 < found.first.error < 1
    details = json.loads(json.dumps(as_details(found), allow_nan=False))
    assert details["diverges"]["layer"] == named
    assert details["diverges"]["tensor"] == found.first.tensor
    assert details["diverges"]["fine_before"] == names.index(named)


def test_a_layer_that_differs_for_one_probe_alone_is_found(here, reference, written, tmp_path):
    """A clip, where only one of the eight probes has an activation beyond it."""
    folder = shutil.copytree(written("plain", "onnx"), tmp_path / "clipped")
    clipped, probe = clip(folder, "conv3", reference("plain").inputs)
    unknown = Expected.unknown("a toy is in no catalog")
    case = Case(format=find_format("onnx"), reference=reference("plain"), expected=unknown)
    checks = examine(case, folder, tmp_path)
    parity = find(checks, "parity")
    assert parity.status is Status.FAILED
    assert f"diverges for probe {probe} at conv3, tensor {clipped}, off by " in parity.note
    assert parity.details["diverges"]["layer"] == "conv3"
    assert parity.details["diverges"]["probe"] == probe
    assert parity.details["diverges"]["fine_before"] > 2


def clip(folder, layer: str, images) -> tuple[str, int]:
    """Clip the last tensor of `layer` so that the first probe does not show it."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    network = open_network("onnx", folder)
    tensor = layer_tensors({layer: layer, "logits": "logits"}, network.tensors(), "logits")[layer]
    largest = network.fetch([tensor], images)[tensor].max(axis=(1, 2, 3))
    probe = int(largest.argmax())
    assert probe, "another layer is wanted, whose largest activation another probe has"
    limit = np.float32((largest[0] + largest[probe]) / 2)
    maker = next(node for node in model.graph.node if tensor in node.output)
    maker.output[0] = "whole"
    model.graph.initializer.append(onnx.numpy_helper.from_array(limit, "limit"))
    made = onnx.helper.make_node("Clip", ["whole", "", "limit"], [tensor], name=tensor)
    model.graph.node.insert(list(model.graph.node).index(maker) + 1, made)
    onnx.save(model, folder / "model.onnx")
    return tensor, probe


def test_a_few_layers_at_a_time_are_the_same_layers(
    here, reference, written, tmp_path, monkeypatch
):
    folder = written("plain", "onnx")
    asked = looked_at(reference("plain"), folder, tmp_path), folder, tmp_path
    together = find_divergence(*asked)
    monkeypatch.setattr(compare, "AT_ONCE", 1)
    assert find_divergence(*asked) == together


def test_an_artifact_that_does_not_open_is_told(here, reference, tmp_path):
    found = find_divergence(looked_at(reference("plain"), tmp_path, tmp_path), tmp_path, tmp_path)
    assert "does not open" in str(found)
    assert as_details(found)["diverges"]["error"]


def test_channels_may_come_first():
    wanted = np.random.default_rng(0).standard_normal((1, 4, 5, 3)).astype(np.float32)
    assert difference(wanted, wanted.transpose(0, 3, 1, 2)) == 0
    assert difference(wanted, wanted) == 0
    assert difference(wanted[:, :1, :1], wanted[:, 0, 0]) == 0
    assert difference(wanted, wanted + wanted.std()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    "got", [np.zeros((1, 7)), np.full((1, 4), np.nan), np.full((1, 4), np.inf)]
)
def test_what_cannot_be_compared_has_no_error(got):
    assert difference(np.ones((1, 4), np.float32), got) is None


def backbone(name: str):
    import keras
    from keras import layers

    entry = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, use_bias=False, name="conv")(entry)
    x = layers.ReLU(name="image_layer")(layers.BatchNormalization(name="norm")(x))
    x = layers.GlobalAveragePooling2D(name="file")(x)
    return keras.Model(entry, layers.Dense(5, name="logits")(x), name=name)


def ensemble():
    """Two networks of one builder, and layers of every name that means something to a tool."""
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="pixels")
    x = layers.Conv2D(3, 1, name="allow_pickle")(layers.Rescaling(2.0, name="image")(image))
    x = layers.ReLU(name="image_layer")(x)
    x = layers.Add(name="logits")([backbone("first")(x), backbone("second")(x)])
    return keras.Model(image, layers.Dense(5, name="file")(x), name="ensemble")


@pytest.mark.parametrize("format", FORMATS)
def test_layers_of_any_name_are_exported_and_compared(here, look, tmp_path, format):

    model = seed_weights(ensemble(), 2)
    traced = trace(model)
    seen = observe_model(model, traced, inputs(traced, 0))
    (tmp_path / "artifact").mkdir()
    find_format(format).write(
        Order(skeleton=traced, folder=tmp_path / "artifact", scratch=tmp_path)
    )
    unknown = Expected.unknown("a toy is in no catalog")
    observation = look(format, tmp_path / "artifact", seen.inputs)
    judged = Trial(
        format=find_format(format), reference=seen, observation=observation, expected=unknown
    )
    assert [c for c in run_checks(judged) if c.status is Status.FAILED] == []
    found = find_divergence(judged, tmp_path / "artifact", tmp_path)
    assert found.first is None, str(found)
    compared = {layer.name for layer in found.layers}
    shared = ("norm", "image_layer", "file", "logits")
    wanted = {f"{model}/{layer}" for model in ("first", "second") for layer in shared}
    assert compared >= wanted | {"allow_pickle", "file", "logits"}
    assert all(layer.first is not None for layer in seen.layers)
    again = find_divergence(judged, tmp_path / "artifact", tmp_path, probe=3)
    assert {layer.name for layer in again.layers} == compared


@pytest.mark.parametrize("format", FORMATS)
def test_layers_are_compared_on_any_probe_whatever_axes_a_format_gives_their_weights(
    here, look, tmp_path, format
):
    from keras import Input, Model, layers

    x = image = Input((16, 16, 3), name="image")
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.SeparableConv2D(4, 3, depth_multiplier=3, name="separable")(x)
    x = layers.BatchNormalization(name="scaled")(layers.ReLU(name="relu2")(x))
    x = layers.Reshape((144, 4), name="rows")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(layers.Conv1D(4, 3, name="row")(x))
    model = seed_weights(Model(image, layers.Dense(5, name="logits")(x), name="axes"), 2)
    traced = trace(model)
    seen = observe_model(model, traced, inputs(traced, 0))
    (tmp_path / "artifact").mkdir()
    find_format(format).write(
        Order(skeleton=traced, folder=tmp_path / "artifact", scratch=tmp_path)
    )
    observation = look(format, tmp_path / "artifact", seen.inputs)
    unknown = Expected.unknown("a toy is in no catalog")
    judged = Trial(
        format=find_format(format), reference=seen, observation=observation, expected=unknown
    )
    found = find_divergence(judged, tmp_path / "artifact", tmp_path, probe=3)
    assert not found.error and found.first is None, str(found)
    assert str(found) == f"all {len(found.layers)} layers agree for probe 3"
    assert {layer.name for layer in found.layers} >= {"norm", "separable", "scaled", "row"}


def slightly_off(toy, folder, layer: str):
    """An artifact in which the weights of a layer are off by a 5000th."""
    import keras

    model = keras.models.clone_model(toy("plain"))
    model.set_weights(toy("plain").get_weights())
    own = model.get_layer(layer)
    own.set_weights([value * np.float32(1.0002) for value in own.get_weights()])
    ONNX.write(Order(skeleton=trace(model), folder=folder, scratch=folder))
    return folder


def test_noise_of_layers_shows_what_is_less_than_is_allowed_without_it(
    here, toy, reference, tmp_path
):
    judged = looked_at(reference("plain"), slightly_off(toy, tmp_path, "conv3"), tmp_path)
    found = find_divergence(judged, tmp_path, tmp_path)
    assert found.first.name == "conv3" and not found.unmeasured
    assert found.first.allowed < found.first.error < UNMEASURED


def test_noise_of_layers_is_measured_once(here, reference, written, monkeypatch, tmp_path):
    asked = []

    def asking(module, *rest, **options):
        asked.append(module)
        return ask(module, *rest, **options)

    monkeypatch.setattr(divergence, "ask", asking)
    judged = looked_at(reference("plain"), written("plain", "onnx"), tmp_path)
    found = find_divergence(judged, written("plain", "onnx"), tmp_path, probe=3)
    assert found.first is None and found.probe == 3
    assert [one.rpartition(".")[2] for one in asked] == ["compare", "layer_noise", "compare"]


@pytest.mark.parametrize("lack", ["weights", "a child", "memory", "noise"])
def test_why_noise_of_layers_is_unknown_is_said(
    here, lack, reference, written, monkeypatch, tmp_path
):
    folder = written("plain", "onnx")
    judged = looked_at(reference("plain"), folder, tmp_path)
    why = "noise could not be measured"
    if lack == "weights":
        why = divergence.NOT_HELD
        fewer = replace(judged.observation, weights=judged.observation.weights[1:])
        judged = replace(judged, observation=fewer)
    elif lack == "noise":
        judged = replace(judged, reference=replace(judged.reference, noise=None))
    else:

        def asking(module, *rest, **options):
            if module.endswith("layer_noise"):
                if lack == "memory":  # an artifact that was judged keeps its verdict
                    raise ChildFailed("out of breath")
                return {"error": "out of breath"}, {}
            return ask(module, *rest, **options)

        monkeypatch.setattr(divergence, "ask", asking)
        why += ": out of breath"
    found = find_divergence(judged, folder, tmp_path)
    assert {layer.allowed for layer in found.layers} == {UNMEASURED}
    assert str(found).endswith(f" (0.001 std is allowed of each, because {why})")
