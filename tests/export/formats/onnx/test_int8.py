"""ONNX in 8 bits: integers by channel, ranges from images, and bugs in both."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export import Options, export_model, verify
from export.calibration.images import check, of_array, settled
from export.calibration.looking import Look
from export.calibration.reading import of_file, synthetic
from export.checks import run_checks
from export.errors import ArtifactError, ExportError
from export.formats import find_format
from export.formats.base import Order
from export.observe.probes import probes
from export.results import Status, Verdict
from export.runtimes import parity_runtime

INT8, UINT8, INT32, FLOAT = 3, 2, 6, 1
FORMATS = ("onnx-int8", "onnx-int8-trt")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def here():
    from export.process import in_this_process

    with in_this_process():
        yield


@pytest.fixture
def write(skeleton, tmp_path):
    """A function (toy, format) -> what was written, and the folder."""

    def write(name: str, format: str, calibration=None, **order):
        traced = skeleton(name)
        own = settled(calibration or synthetic(count=16), traced, 0)
        folder = tmp_path / f"{name}-{format}"
        folder.mkdir(exist_ok=True)
        given = Order(
            skeleton=traced,
            folder=folder,
            scratch=tmp_path,
            calibration=own,
            images_sha256=check(own, traced.image),
            **order,
        )
        return find_format(format).write(given), folder

    return write


def load(folder):
    return onnx.load(folder / "model.onnx")


def held(model) -> dict:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def quantizers(model) -> list:
    return [node for node in model.graph.node if node.op_type == "QuantizeLinear"]


def zeros_of(model) -> list:
    """The zero points of activations."""
    return [held(model)[node.input[2]] for node in quantizers(model)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["plain", "odd", "shared", "nested"])
def test_every_kernel_is_of_integers_with_a_scale_for_each_channel(write, name, format):
    written, folder = write(name, format)
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    tensors = held(load(folder))
    kernels = {n: t for n, t in tensors.items() if n.endswith(("kernel", "norm0/scale"))}
    assert kernels and {tensor.data_type for tensor in kernels.values()} == {INT8}
    for kernel in kernels:
        assert len(numpy_helper.to_array(tensors[f"{kernel}/scale"])) in kernels[kernel].dims
    assert written.kept == {}
    assert written.ranges


def test_for_tensorrt_zero_points_are_0_and_biases_floats(write):
    model = load(write("plain", "onnx-int8-trt")[1])
    tensors = held(model)
    assert INT32 not in Counter(tensor.data_type for tensor in tensors.values())
    zeros = zeros_of(model)
    assert zeros and all(not numpy_helper.to_array(zero).any() for zero in zeros)
    assert {zero.data_type for zero in zeros} == {INT8}


def test_for_cpus_activations_are_unsigned_and_biases_of_32_bits(write):
    model = load(write("plain", "onnx-int8")[1])
    assert held(model)["conv2/bias"].data_type == INT32
    assert UINT8 in {zero.data_type for zero in zeros_of(model)}


def test_no_relu_is_lost_though_its_range_begins_at_0(write):
    before = Counter(n.op_type for n in load(write("odd", "onnx-int8")[1]).graph.node)
    assert before["Relu"] == 4


@pytest.mark.parametrize("format", FORMATS)
def test_what_pairs_add_takes_little_room(write, format):
    model = load(write("plain", format)[1])
    pairs = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert max(len(name) for node in pairs for name in node.output if name != "logits") < 5
    assert not any(node.name for node in pairs)
    zeros = [held(model)[node.input[2]] for node in pairs if len(node.input) > 2]
    contents = {(z.data_type, tuple(z.dims), numpy_helper.to_array(z).tobytes()) for z in zeros}
    assert len({zero.name for zero in zeros}) == len(contents)


def test_the_scale_of_a_bias_is_what_runtimes_multiply_as_they_load(write):
    model = load(write("plain", "onnx-int8")[1])
    made = {node.output[0]: node for node in model.graph.node}
    biases = [node for node in made.values() if node.input[0].endswith("/bias")]
    assert biases and {made[node.input[1]].op_type for node in biases} == {"Mul"}
    assert all(name in held(model) for node in biases for name in made[node.input[1]].input)


def test_a_layer_that_is_kept_stays_in_32_bits(write):
    written, folder = write("plain", "onnx-int8", keep=("conv2",))
    assert written.kept == {"conv2": "asked for"}
    assert held(load(folder))["conv2/kernel"].data_type == FLOAT


def odd_ones():
    """A network with layers that the quantizer leaves in 32 bits, and with constants."""
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, activation="relu", name="up")(x)
    x = layers.Reshape((-1, 4), name="flat")(x)
    x = layers.Dense(7, activation="relu", name="each")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(5, name="last")(x), name="odd_ones")


@pytest.mark.parametrize("format", FORMATS)
def test_a_layer_that_is_not_quantised_is_listed_with_the_reason(tmp_path, here, format):
    options = Options(calibration=synthetic(count=16))
    (report,) = export_model(odd_ones(), [format], tmp_path, options=options)
    assert report.check("weights").status is Status.PASSED, report.check("weights").note
    assert report.artifact["kept"] == {
        "up": "ONNX Runtime's quantizer leaves what takes it in 32 bits"
    }
    kinds = {n: t.data_type for n, t in held(load(Path(report.folder))).items()}
    assert kinds["up/kernel"] == FLOAT and kinds["each/kernel"] == INT8
    assert report.passed, report.checks


def test_without_pictures_it_is_refused_with_the_option_that_is_missing(toy, tmp_path):
    with pytest.raises(ValueError, match="onnx-int8 needs calibration.*--calibration DIR"):
        export_model(toy("plain"), ["onnx-int8"], tmp_path)


@pytest.fixture(scope="module")
def exported(toy, tmp_path_factory):
    """The report of the toy `plain` in both formats, calibrated with an array."""
    from export.process import in_this_process

    images = probes((32, 32, 3), 7, 40)
    options = Options(calibration=of_array(images, "probes.npz"))
    with in_this_process():
        found = export_model(
            toy("plain"), FORMATS, tmp_path_factory.mktemp("int8"), options=options
        )
    return {report.format: report for report in found}


@pytest.mark.parametrize("format", FORMATS)
def test_a_toy_fails_no_check_and_reports_its_ranges(exported, format):
    report = exported[format]
    assert report.passed and report.verdict is Verdict.VERIFIED, report.checks
    assert report.calibration["count"] == 32 and report.calibration["held_out"] == 8
    assert report.calibration["method"] == "minmax"
    low, high = report.calibration["ranges"]["conv1"]
    assert low < 0 < high
    halves = report.check("parity").details["halves"]
    assert halves["exact"]["allowed"] < 1e-3 < halves["rounded"]["allowed"]
    assert report.check("parity").details["agreement"]["of"] == 8


def test_it_is_verified_again_by_the_ranges_of_its_report(exported, toy, here):
    for report in exported.values():
        again = verify(toy("plain"), report.folder)
        assert again.passed, again.checks


def test_a_report_with_other_ranges_is_not_believed(exported, toy, here, tmp_path):
    folder = shutil.copytree(exported["onnx-int8"].folder, tmp_path / "onnx-int8")
    content = json.loads((folder / "report.json").read_text())
    content["calibration"]["ranges"]["conv1"][1] *= 1.5
    (folder / "report.json").write_text(json.dumps(content))
    checks = {check.name: check.status for check in verify(toy("plain"), folder).checks}
    assert checks["ranges"] is Status.FAILED


def test_an_artifact_is_made_again_from_its_report_without_pictures(exported, toy, tmp_path):
    first = exported["onnx-int8"]
    options = Options(calibration=of_file(_report(first)))
    (again,) = export_model(toy("plain"), ["onnx-int8"], tmp_path, options=options)
    assert again.passed
    assert again.artifact["files"] == first.artifact["files"]


def _report(report):
    return Path(report.folder) / "report.json"


def test_synthetic_images_show_in_verdict_and_warnings(toy, tmp_path):
    options = Options(calibration=synthetic(count=10))
    (report,) = export_model(toy("nested"), ["onnx-int8"], tmp_path, options=options)
    assert report.verdict is Verdict.SYNTHETIC
    assert any("synthetic images" in warning for warning in report.warnings)
    content = json.loads(_report(report).read_text())
    assert "synthetic" in content["verdict"]
    assert "synthetic images" in _report(report).with_name("report.html").read_text()


def test_agreement_below_what_is_wanted_fails_and_names_the_costliest_layers(honest_int8):
    trial = honest_int8(min_agreement=0.9)
    turned = {"logits": -trial.reference.outputs["logits"]}
    trial = replace(trial, observation=replace(trial.observation, outputs=turned))
    parity = {c.name: c for c in run_checks(trial)}["parity"]
    assert parity.status is Status.FAILED
    assert "and at least 0.9 is wanted" in parity.note
    assert "--keep-fp32" in parity.note


@pytest.fixture
def honest_int8(skeleton, toy, look, look_plain, write):
    """A function to the Trial of the toy `nested` in 8 bits."""
    from export.checks import Expected, Trial
    from export.observe.model import observe_model

    def make(**changes):
        written, folder = write("nested", "onnx-int8")
        traced, format = skeleton("nested"), find_format("onnx-int8")
        images = probes(traced.image, 0, 12)
        trial = Trial(
            format=format,
            reference=observe_model(toy("nested"), traced, {"image": images}, [format]),
            observation=look("onnx-int8", folder, images),
            expected=Expected.unknown("a toy is in no catalog"),
            calibration={"ranges": written.ranges},
            held_out=4,
            **changes,
        )
        return replace(trial, plain=look_plain(trial, folder), **changes), folder

    return lambda **changes: make(**changes)[0]


def wrong_scale(model):
    tensor = held(model)[quantizers(model)[0].input[1]]
    values = numpy_helper.to_array(tensor) * np.float32(1.01)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def moved_zero(model):
    tensor = next(zero for zero in zeros_of(model) if zero.data_type == UINT8)
    values = np.asarray(255 - numpy_helper.to_array(tensor), np.uint8)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def one_scale(model):
    tensors = held(model)
    scale = tensors["logits/kernel/scale"]
    values = numpy_helper.to_array(scale)
    scale.CopyFrom(numpy_helper.from_array(np.full_like(values, values.max()), scale.name))


def wrong_bias_scale(model):
    product = next(n for n in model.graph.node if n.output[0] == "logits/bias/scale")
    values = numpy_helper.to_array(held(model)[product.input[1]]) * np.float32(1.5)
    model.graph.initializer.append(numpy_helper.from_array(values, "another"))
    product.input[1] = "another"


def unrounded(model):
    kernel = held(model)["logits/kernel"]
    scale = numpy_helper.to_array(held(model)["logits/kernel/scale"])
    values = numpy_helper.to_array(kernel).astype(np.float32) * scale
    reader = next(n for n in model.graph.node if n.input[0] == "logits/kernel")
    for node in model.graph.node:
        node.input[:] = ["logits/kernel" if i == reader.output[0] else i for i in node.input]
    model.graph.node.remove(reader)
    kernel.CopyFrom(numpy_helper.from_array(values * 1.001, kernel.name))


@pytest.mark.parametrize(
    ("bug", "caught_by"),
    [
        (wrong_scale, "ranges"),
        (moved_zero, "ranges"),
        (one_scale, "weights"),
        (wrong_bias_scale, "weights"),
        (unrounded, "weights"),
    ],
)
def test_a_bug_of_rounding_is_caught(honest_int8, look, tmp_path, bug, caught_by):
    trial = honest_int8()
    good = [c.name for c in run_checks(trial) if c.status is Status.FAILED]
    model = load(tmp_path / "nested-onnx-int8")
    bug(model)
    (tmp_path / "bad").mkdir()
    onnx.save(model, tmp_path / "bad" / "model.onnx")
    seen = look("onnx-int8", tmp_path / "bad", trial.reference.inputs)
    failed = [
        c.name for c in run_checks(replace(trial, observation=seen)) if c.status is Status.FAILED
    ]
    assert good == [], [c for c in run_checks(trial)]
    assert caught_by in failed


def no_factors(graph):
    del next(node for node in graph.node if node.op_type == "Mul").input[:]


def no_scale(graph):
    del next(node for node in graph.node if node.input[0] == "logits/kernel").input[1:]


@pytest.mark.parametrize("damage", [no_factors, no_scale])
def test_a_pair_without_its_scale_is_damage(write, damage):
    _, folder = write("nested", "onnx-int8")
    model = load(folder)
    damage(model.graph)
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ArtifactError, match="the model is damaged, it lacks"):
        list(find_format("onnx-int8").open(folder).weights())


def test_an_interrupted_calibration_goes_on_where_it_was(write, monkeypatch):
    class Stop(Exception):
        pass

    images, seen = probes((16, 16, 3), 3, 40), []
    extremes = Look._extremes

    def stopping(look, number, image, outputs):
        if number == 20 and -1 not in seen:
            raise Stop
        seen.append(number)
        return extremes(look, number, image, outputs)

    monkeypatch.setattr(Look, "_extremes", stopping)
    calibration = of_array(images, "probes.npz")
    with pytest.raises(Stop):
        write("nested", "onnx-int8", calibration)
    seen[:] = [-1]
    first, _ = write("nested", "onnx-int8", calibration)
    assert seen[1] == 16  # what was noted down last
    seen[:] = [-1]
    assert write("nested", "onnx-int8", calibration)[0].ranges == first.ranges
    assert seen == [-1]  # nothing is run again


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_methods_cut_what_is_rare_whatever_the_order(write, method):
    images = probes((16, 16, 3), 3, 20)
    images[5] *= 20
    given = of_array(images, "probes.npz", method=method)
    cut, _ = write("nested", "onnx-int8", given)
    whole, _ = write("nested", "onnx-int8", of_array(images, "probes.npz"))
    width = [high - low for low, high in (cut.ranges["image"], whole.ranges["image"])]
    assert width[0] < width[1]


def test_a_range_that_is_not_finite_names_the_tensor_and_the_image(write):
    images = probes((16, 16, 3), 3, 20)
    images[2] = 1e38
    images[2, 0] = 3e38
    with pytest.raises(ExportError, match="image 2 makes conv1.* which has no range"):
        write("nested", "onnx-int8", of_array(images, "probes.npz"))


def test_a_range_that_a_layer_has_learnt_is_taken_for_its_output(write):
    plain, _ = write("plain", "onnx-int8")
    learned = replace(synthetic(count=16), learned={"conv3": (0.0, 77.0)})
    written, _ = write("plain", "onnx-int8", learned)
    assert written.ranges["conv3"] == (0.0, 77.0) != plain.ranges["conv3"]
    assert {**plain.ranges, "conv3": (0.0, 77.0)} == written.ranges


def test_digits_are_told_as_well_in_8_bits_as_in_32(tmp_path, here):
    from keras_nets import find_net
    from keras_nets.preprocess import preprocess, recipe_for

    golden, net = Path(__file__).parents[3] / "golden" / "digits", find_net("squeezenet1_1")
    model, recipe = net.build(image=(64, 64, 3), classes=10), recipe_for(net, size=64)
    with np.load(golden / "squeezenet1_1.npz") as held:
        for variable in model.weights:
            variable.assign(held[variable.path].astype(np.float32))
    with np.load(golden / "held_out.npz") as held:
        grey, labels = held["images"], held["labels"]
    images = np.stack([preprocess(np.stack([one] * 3, -1), recipe) for one in grey])
    images = images.astype(np.float32)
    options = Options(calibration=of_array(images[::4], "digits", count=70))
    rest, known = np.delete(images, np.s_[::4], 0), np.delete(labels, np.s_[::4])
    right = model.predict(rest, verbose=0).argmax(axis=1) == known
    formats = ["onnx-fp16", *FORMATS, "litert-int8"]
    for report in export_model(model, formats, tmp_path, options=options):
        assert report.passed, report.checks
        with parity_runtime(find_format(report.format)).open(Path(report.folder)) as session:
            found = session.predict({"image": rest})["logits"].argmax(axis=1)
        assert abs((found == known).mean() - right.mean()) <= 0.01
