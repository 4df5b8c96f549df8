"""OpenVINO's IR: what is in its two files, what is refused, and that its own tools agree."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

import keras
import numpy as np
import onnx
import openvino
import pytest
from keras import layers
from toy_artifact import write_report

from export import Options, Wish, export_model, verify
from export.errors import ArtifactError, ExportError, MissingPackage
from export.formats import base, find_format
from export.formats.base import Order
from export.formats.openvino.reading import read_ir
from export.observe.probes import probes
from export.results import Status

FORMAT = find_format("openvino")
PRECISE = "DisablePrecisionConversion_0"  # what OpenVINO calls it in a file


@pytest.fixture
def here():
    from export.process import in_this_process

    with in_this_process():
        yield


@pytest.fixture
def write(skeleton, tmp_path):
    def write(name: str, folder: str = "made", **order):
        to = tmp_path / folder
        to.mkdir()
        return FORMAT.write(
            Order(skeleton=skeleton(name), folder=to, scratch=tmp_path, **order)
        ), to

    return write


def constants(folder) -> dict:
    """Element type of each float constant of the artifact, by its name."""
    ir = read_ir(folder)
    return {layer.get("name"): layer.find("data").get("element_type") for layer in ir.weights()}


@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested", "subclassed"])
def test_weights_are_of_16_bits_and_openvino_knows_kernels_for_compressed(write, skeleton, name):
    written, folder = write(name)
    assert written.kept == {}
    kinds = constants(folder)
    assert {kinds[weight.name] for weight in skeleton(name).weights} == {"f16"}
    model = openvino.Core().read_model(folder / "model.xml")
    converts = [op for op in model.get_ops() if op.get_type_name() == "Convert"]
    assert len(converts) == len(skeleton(name).weights)
    for op in converts:
        shape = op.output(0).shape
        assert ("decompression_0" in op.get_rt_info()) == (max(shape) < np.prod(shape))


def test_its_graph_has_no_more_than_openvino_needs_to_know_it_again(write):
    _, folder = write("odd")
    text = (folder / "model.xml").read_text()
    assert text.count("\n") == 1 and " />" not in text and "auto_pad" not in text
    model = openvino.Core().read_model(folder / "model.xml")
    kinds = {op.get_type_name(): op for op in model.get_ops()}
    assert kinds["Convolution"].get_attributes()["auto_pad"] == "explicit"
    assert kinds["Add"].get_attributes()["auto_broadcast"] == "numpy"
    assert all(len(output.partial_shape) for op in kinds.values() for output in op.outputs())
    named = [output for op in model.get_ops() for output in op.outputs() if output.get_names()]
    assert {min(output.get_names()) for output in named} == {"image", "logits"}


def test_it_computes_what_openvinos_own_converter_makes_of_our_onnx(written, write, tmp_path):
    stock = openvino.convert_model(written("odd", "onnx") / "model.onnx")
    openvino.save_model(stock, tmp_path / "stock.xml", compress_to_fp16=True)
    images = probes((16, 16, 3), count=2)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    run = [
        openvino.Core().compile_model(path, "CPU", exact)
        for path in (tmp_path / "stock.xml", write("odd")[1] / "model.xml")
    ]
    wanted, made = (one({"image": images})[0] for one in run)
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-6)


def test_it_takes_half_the_bytes_of_32_bits(write, skeleton):
    _, folder = write("plain")
    assert (folder / "model.bin").stat().st_size <= 0.51 * skeleton("plain").weight_bytes + 2000


def test_two_exports_are_the_same_to_the_byte(write):
    first, again = write("odd", "first")[1], write("odd", "again")[1]
    for name in ("model.xml", "model.bin"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_a_layer_that_is_kept_has_its_weights_in_32_bits(write):
    written, folder = write("plain", keep=("conv2", "fc4"))
    assert written.kept == {"conv2": "asked for", "fc4": "asked for"}
    kept = {n for n, kind in constants(folder).items() if kind == "f32" and "/" in n}
    assert kept == {"conv2/kernel", "conv2/bias", "fc4/kernel", "fc4/bias"}


def test_a_layer_without_weights_is_not_kept_in_silence(write):
    with pytest.raises(ExportError, match="drop4 has no weights"):
        write("plain", keep=("drop4",))


def test_layers_beyond_65504_stay_in_32_bits_are_named_and_so_on_gpus(tmp_path, here):
    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(x)
    x = layers.Rescaling(1e6, name="loud")(x)
    x = layers.Conv2D(6, 3, name="conv2")(x)
    x = layers.Rescaling(1e-6, name="quiet")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(5, name="last")(x), name="loud")
    (report,) = export_model(model, ["openvino"], tmp_path)
    assert report.passed, report.checks
    assert {"loud", "conv2"} <= set(report.artifact["kept"])
    kinds = constants(Path(report.folder))
    assert kinds["conv1/kernel"] == "f16" and kinds["conv2/kernel"] == "f32"
    read = openvino.Core().read_model(Path(report.folder) / "model.xml")
    marked = {op.get_friendly_name() for op in read.get_ops() if PRECISE in op.get_rt_info()}
    assert any(name.startswith("conv2/") for name in marked)
    assert not any(name.startswith("conv1/") for name in marked)
    assert verify(model, report.folder).passed


def test_what_openvino_does_not_convert_is_one_line(tmp_path, here):
    inputs = keras.Input((4, 3), name="steps")
    outputs = layers.Dense(2, name="last")(layers.GRU(3, name="gru")(inputs))
    model = keras.Model(inputs, outputs, name="steps_net")
    with pytest.raises(ExportError, match="^OpenVINO does not convert steps_net: Loop: ") as found:
        export_model(model, ["openvino"], tmp_path)
    assert "\n" not in str(found.value) and str(found.value).endswith("such as onnx")


def test_planted_bugs_are_caught_and_its_graph_is_judged_at_full_power(toy, tmp_path, here):
    options = Options(wish=Wish(strict=True, layers=True))
    (report,) = export_model(toy("plain"), ["openvino"], tmp_path, options=options)
    assert report.passed, report.checks
    details = report.check("parity").details
    assert details["power"]["missed"] == [] and details["power"]["of"] >= 12
    halves = details["halves"]
    assert halves["exact"]["allowed"] < 1e-4 < halves["rounded"]["allowed"]
    assert len(details["layers"]) > 5 and "layers agree" in report.check("parity").note


def test_a_graph_in_which_a_slope_is_wrong_names_the_layer(toy, tmp_path, here):
    (report,) = export_model(toy("plain"), ["openvino"], tmp_path)
    folder = Path(report.folder)
    ir = read_ir(folder)
    slope = next(one for one in ir.weights() if _reader(ir, one) == "PReLU")
    with (folder / "model.bin").open("r+b") as file:
        file.seek(int(slope.find("data").get("offset")))
        file.write(np.float32(0.25).tobytes())
    again = verify(toy("plain"), folder, compare_hashes=False)
    assert again.check("parity").status is Status.FAILED
    assert "leaky1" in again.check("parity").note


def _reader(ir, layer) -> str:
    name, _ = ir.readers[layer.get("id")]
    return ir.by_id[name].get("type")


def edited(write, change) -> Path:
    """The folder of an artifact whose graph `change` has changed."""
    _, folder = write("plain")
    net = ElementTree.fromstring((folder / "model.xml").read_text())
    change(net)
    (folder / "model.xml").write_bytes(ElementTree.tostring(net))
    return folder


def first(net, kind: str):
    return next(layer for layer in net.iter("layer") if layer.get("type") == kind)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda net: first(net, "ReLU").set("version", "extension"), "not OpenVINO's own"),
        (lambda net: first(net, "ReLU").set("type", "ReadValue"), "ReadValue .* no network needs"),
        (lambda net: first(net, "Const").find("data").set("offset", "99999999"), "cut short"),
        (lambda net: first(net, "Const").find("data").set("offset", "-64"), "cut short"),
        (lambda net: net.remove(net.find("layers")), "damaged"),
    ],
)
def test_a_graph_that_asks_for_more_than_it_may_is_refused(write, change, why):
    folder = edited(write, change)
    for ask in (FORMAT.open, FORMAT.network):
        with pytest.raises(ArtifactError, match=why):
            ask(folder)


def test_a_graph_whose_layers_share_a_number_is_damaged(write):
    folder = edited(write, lambda net: first(net, "Const").set("id", "9999"))
    with pytest.raises(ArtifactError, match="model.xml is damaged"):
        FORMAT.open(folder)


def test_entities_are_refused_before_they_are_read(write):
    _, folder = write("plain")
    text = (folder / "model.xml").read_text()
    (folder / "model.xml").write_text(text.replace("<net", '<!DOCTYPE a [<!ENTITY b "c">]><net', 1))
    with pytest.raises(ArtifactError, match="declares what a graph does not need"):
        FORMAT.open(folder)


def test_weights_that_are_gone_are_a_sentence(write):
    _, folder = write("plain")
    (folder / "model.bin").unlink()
    with pytest.raises(ArtifactError, match=r"has no model.bin; export it again"):
        FORMAT.open(folder)


def test_without_its_package_it_is_refused_before_any_work(toy, written, tmp_path, monkeypatch):
    folder = shutil.copytree(written("plain", "openvino"), tmp_path / "openvino")
    write_report(folder, model="plain", format="openvino")
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    advice = r"openvino needs openvino, which is not installed; .* pip install -e '.\[openvino\]'"
    with pytest.raises(MissingPackage, match=advice):
        export_model(toy("plain"), ["openvino"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(MissingPackage, match=advice):
        verify(toy("plain"), folder)


def test_openvino_reads_the_format_of_8_bits_as_onnx_runtime_does(written, tmp_path):
    """So there is none of 8 bits for OpenVINO alone."""
    import onnxruntime

    path = written("nested", "onnx-int8") / "model.onnx"
    images = probes((16, 16, 3), count=4)
    (wanted,) = onnxruntime.InferenceSession(str(path)).run(None, {"image": images})
    run = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = run({"image": images})[0]
    assert onnx.load(path).graph.output[0].name == run.outputs[0].any_name
    assert np.abs(made - wanted).max() < 0.05 * wanted.std()
