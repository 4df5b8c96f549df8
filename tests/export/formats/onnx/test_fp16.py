"""ONNX in 16 bits: what is rounded, what stays, and that nothing is lost on the way."""

from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from export import Options, export_model, verify
from export.errors import ExportError
from export.formats import FORMATS, find_format
from export.formats.base import Order
from export.results import Status

HALF, FLOAT = 10, 1


@pytest.fixture
def write(skeleton, tmp_path):
    def write(name: str, **order):
        written = find_format("onnx-fp16").write(
            Order(skeleton=skeleton(name), folder=tmp_path, scratch=tmp_path, **order)
        )
        return written, onnx.load(tmp_path / "model.onnx")

    return write


def kinds(model):
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested", "subclassed"])
def test_every_weight_is_of_16_bits_behind_one_cast_and_before_another(write, tmp_path, name):
    written, model = write(name)
    assert written.kept == {}
    assert FLOAT not in kinds(model).values()
    assert Counter(node.op_type for node in model.graph.node)["Cast"] == 2
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)


def test_a_layer_that_is_kept_has_its_weights_in_32_bits_and_no_cast_inside(write, tmp_path):
    written, model = write("plain", keep=("conv2", "fc4"))
    assert written.kept == {"conv2": "asked for", "fc4": "asked for"}
    kept = {name for name, kind in kinds(model).items() if kind == FLOAT}
    assert kept == {"conv2/kernel", "conv2/bias", "fc4/kernel", "fc4/bias"}
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)


def test_two_kept_layers_one_after_the_other_hand_on_32_bits(write):
    written, model = write("plain", keep=("fc4", "logits_layer"))
    assert written.kept == dict.fromkeys(["fc4", "logits_layer", "logits"], "asked for")
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert [node.attribute[0].i for node in casts] == [HALF, FLOAT]  # none at the end


def test_a_scope_that_the_graph_lacks_is_refused(write):
    with pytest.raises(ExportError, match="no operation of the graph is of drop4"):
        write("plain", keep=("drop4",))


def loud_net():
    """A network with activations of a million between its convolutions."""
    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(x)
    x = layers.Rescaling(1e6, name="loud")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(6, 3, name="conv2")(x)
    x = layers.Rescaling(1e-6, name="quiet")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(5, name="last")(x), name="loud")


def test_layers_beyond_65504_stay_in_32_bits_and_are_named(tmp_path):
    (report,) = export_model(loud_net(), ["onnx-fp16"], tmp_path)
    assert report.passed, [check for check in report.checks if check.status is Status.FAILED]
    assert {"loud", "pool", "conv2", "quiet"} <= set(report.artifact["kept"])
    assert "beyond 65504" in report.artifact["kept"]["loud"]
    assert "kept in FP32" in report.check("fp16-range").note
    model = onnx.load(tmp_path / "loud" / "onnx-fp16" / "model.onnx")
    assert kinds(model)["conv1/kernel"] == HALF
    assert kinds(model)["conv2/kernel"] == FLOAT


def test_one_that_fails_is_not_published_where_a_server_would_look(toy, tmp_path, monkeypatch):
    format = find_format("onnx-fp16")
    none = replace(format.rule, margin=0.0, smallest=0.0, largest=0.0, fixed=0.0)
    monkeypatch.setitem(FORMATS, "onnx-fp16", replace(format, rule=none))
    (report,) = export_model(toy("plain"), ["onnx-fp16"], tmp_path)
    assert not report.passed
    assert report.folder == str(tmp_path / "plain" / "onnx-fp16.failed")
    assert not (tmp_path / "plain" / "onnx-fp16").exists()
    assert "--keep-fp32" in report.check("parity").note


def test_a_network_with_kept_layers_is_verified_again(tmp_path):
    model = loud_net()
    (report,) = export_model(model, ["onnx-fp16"], tmp_path)
    assert verify(model, report.folder).passed


def test_a_layer_that_no_network_has_is_told_with_those_that_it_has(toy, tmp_path):
    with pytest.raises(ValueError, match="no layer is called 'conv22'; did you mean conv2"):
        export_model(toy("plain"), ["onnx-fp16"], tmp_path, options=Options(keep_fp32=("conv22",)))


def test_its_graph_and_its_rounding_are_judged_apart(export_toy):
    report = export_toy("plain", "onnx-fp16")
    assert report.passed
    halves = report.check("parity").details["halves"]
    assert halves["exact"]["allowed"] < 1e-4 < halves["rounded"]["allowed"]
    assert halves["exact"]["measured"] < halves["rounded"]["measured"]
    assert "without rounding" in report.check("parity").note


def test_a_weight_that_is_rounded_otherwise_fails(written, failures, tmp_path):
    model = onnx.load(written("plain", "onnx-fp16") / "model.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == "conv2/kernel")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[3] = np.nextafter(values.flat[3], np.float16(np.inf))
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, tmp_path / "model.onnx")
    assert "weights" in failures("plain", "onnx-fp16", tmp_path)


def test_a_layer_that_is_not_rounded_and_not_stated_fails(skeleton, failures, tmp_path):
    order = Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path, keep=("conv2",))
    find_format("onnx-fp16").write(order)
    assert "conv2/kernel" in failures("plain", "onnx-fp16", tmp_path)["weights"].note
