"""LiteRT's flatbuffers: weights behind the graph, what is refused, and that bugs are caught."""

from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from export import Options, Wish, export_model, verify
from export.errors import ArtifactError, ExportError, PourError
from export.formats import base, find_format
from export.formats.base import Order
from export.formats.litert.flatbuffer import OUTSIDE, operation, packed, text, unpacked
from export.formats.litert.reading import read_flat
from export.observe.probes import probes
from export.skeleton.tracing import trace

FORMATS = ("litert", "litert-fp16")
FLOAT, HALF = 0, 1
TOYS = ("plain", "odd", "shared", "nested", "subclassed")


@pytest.fixture
def here():
    from export.process import in_this_process

    with in_this_process():
        yield


@pytest.fixture
def write(skeleton, tmp_path):
    def write(name: str, format: str = "litert", folder: str = "made", **order):
        to = tmp_path / folder
        to.mkdir()
        traced = skeleton(name) if isinstance(name, str) else name
        asked = Order(skeleton=traced, folder=to, scratch=tmp_path, **order)
        return find_format(format).write(asked), to

    return write


@pytest.fixture(autouse=True)
def converts_here(here):
    """The converter runs in this process."""


def kinds(folder) -> dict:
    """Type of each weight by its name."""
    flat = read_flat(folder)
    found = (graph.tensors[number] for graph, number in flat.tensors())
    return {text(tensor.name): tensor.type for tensor in found}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", TOYS)
def test_every_weight_lies_behind_the_flatbuffer_under_keras_name(write, skeleton, name, format):
    _, folder = write(name, format)
    held, wanted = kinds(folder), FLOAT if format == "litert" else HALF
    assert {held[weight.name] for weight in skeleton(name).weights} == {wanted}
    model = read_flat(folder).model
    places = [(one.offset, one.size) for one in model.buffers if one.offset >= OUTSIDE]
    assert len(places) == len(skeleton(name).weights)
    ends = [offset + size for offset, size in places]
    assert max(ends) == (folder / "model.tflite").stat().st_size
    assert all(offset % 64 == 0 for offset, _ in places)


def test_it_computes_what_tensorflows_own_converter_makes_with_the_weights(write, toy):
    stock = tf.lite.TFLiteConverter.from_keras_model(toy("odd")).convert()
    _, folder = write("odd")
    images = probes((16, 16, 3), count=1)
    ours = Interpreter(str(folder / "model.tflite")).get_signature_runner("serving_default")
    other = Interpreter(model_content=stock)
    other.allocate_tensors()
    other.set_tensor(other.get_input_details()[0]["index"], images)
    other.invoke()
    wanted = other.get_tensor(other.get_output_details()[0]["index"])
    np.testing.assert_allclose(ours(image=images)["logits"], wanted, rtol=0, atol=1e-5)


def test_names_are_those_of_the_contract_and_any_batch_runs(write):
    _, folder = write("plain")
    interpreter = Interpreter(str(folder / "model.tflite"))
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["image"], "outputs": ["logits"]}
    }
    runner = interpreter.get_signature_runner("serving_default")
    for count in (1, 3, 2):
        assert runner(image=probes((32, 32, 3), count=count))["logits"].shape == (count, 5)


def test_16_bits_take_half_of_32(write, skeleton):
    _, folder = write("plain", "litert-fp16")
    graph = 12_000  # bytes of the graph of a toy
    size = (folder / "model.tflite").stat().st_size
    assert size <= 0.51 * skeleton("plain").weight_bytes + graph


def test_two_exports_are_the_same_to_the_byte(write):
    first, again = (write("odd", folder=name)[1] / "model.tflite" for name in ("first", "again"))
    assert first.read_bytes() == again.read_bytes()


def test_a_layer_that_is_kept_has_its_weights_in_32_bits(write):
    written, folder = write("plain", "litert-fp16", keep=("conv2", "fc4"))
    assert written.kept == {"conv2": "asked for", "fc4": "asked for"}
    kept = {name for name, kind in kinds(folder).items() if kind == FLOAT and "/" in name}
    assert {"conv2/kernel", "conv2/bias", "fc4/kernel", "fc4/bias"} <= kept
    assert "conv1/kernel" not in kept


def test_a_layer_without_weights_is_not_kept_in_silence(write):
    with pytest.raises(ExportError, match="drop4 has no weights"):
        write("plain", "litert-fp16", keep=("drop4",))


def test_a_kernel_that_a_product_takes_turned_is_not_turned_again(tmp_path):
    """One that is square does not show by its shape which way it lies."""
    x = inputs = keras.Input((6,), name="image")
    x = layers.Dense(6, activation="relu", name="square")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x), name="squares")
    (report,) = export_model(model, ["litert"], tmp_path)
    assert report.passed, report.checks


def test_convolutions_of_one_axis_turned_and_in_groups_are_poured(tmp_path):
    x = inputs = keras.Input((16, 16, 4), name="image")
    x = layers.Conv2D(8, 3, groups=2, activation="relu", name="grouped")(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, name="turned")(x)
    x = layers.Reshape((-1, 6), name="flat")(x)
    x = layers.Conv1D(5, 3, name="line")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x), name="kernels")
    reports = export_model(model, FORMATS, tmp_path)
    assert all(report.passed for report in reports), [report.checks for report in reports]


def test_a_weight_that_the_converter_folds_is_an_error_that_names_it(write):
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(x)
    x = layers.Rescaling(0.5, name="half")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x), name="folded")
    with pytest.raises(PourError, match="of folded: the converter lost conv/kernel; export to"):
        write(trace(model))


def test_what_the_converter_does_not_know_is_a_line_that_names_the_operation(write):
    x = inputs = keras.Input((3,), dtype="int64", name="things")
    x = layers.IntegerLookup(vocabulary=[3, 1, 41], name="lookup")(x)
    x = layers.Flatten()(layers.Embedding(4, 4)(x))
    model = keras.Model(inputs, layers.Dense(2)(x), name="looks_up")
    with pytest.raises(
        ExportError, match="does not convert looks_up: .* 'tf.LowerBound' op .* export to"
    ) as e:
        write(trace(model))
    assert "child.py" not in str(e.value) and "\n" not in str(e.value)


@pytest.mark.parametrize("format", FORMATS)
def test_planted_bugs_are_caught(toy, tmp_path, format):
    options = Options(wish=Wish(strict=True, layers=True))
    (report,) = export_model(toy("plain"), [format], tmp_path, options=options)
    assert report.passed, report.checks
    details = report.check("parity").details
    assert details["power"]["missed"] == [] and details["power"]["of"] >= 12
    assert "layers agree" in report.check("parity").note


@pytest.mark.parametrize("format", FORMATS)
def test_it_is_verified_again_and_a_changed_slope_names_the_layer(toy, tmp_path, format):
    (report,) = export_model(toy("plain"), [format], tmp_path)
    assert verify(toy("plain"), report.folder).passed
    path = Path(report.folder) / "model.tflite"
    flat = read_flat(path.parent)
    main = flat.model.subgraphs[0]
    leaky = next(one for one in main.operators if operation(flat.model, one) == "LEAKY_RELU")
    own = np.float32(leaky.builtinOptions.alpha).tobytes()
    head = packed(flat.model)
    content = path.read_bytes()
    assert content[: len(head)].count(own) >= 1
    path.write_bytes(
        content[: len(head)].replace(own, np.float32(0.9).tobytes()) + content[len(head) :]
    )
    again = verify(toy("plain"), report.folder, compare_hashes=False)
    assert "leaky1" in again.check("parity").note


def changed(write, change) -> Path:
    _, folder = write("plain")
    path = folder / "model.tflite"
    content = path.read_bytes()
    model = unpacked(content)
    length = len(packed(model))
    change(model)
    head = packed(model)
    path.write_bytes(head.ljust(length, b"\0")[:length] + content[length:])
    return folder


def custom(model):
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = 32, 32  # CUSTOM


def beyond(model):
    next(one for one in model.buffers if one.offset >= OUTSIDE).size = 1 << 40


def stateful(model):
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = 144, 127  # ASSIGN_VARIABLE


def other_output(model):
    main = model.subgraphs[0]
    main.outputs = [main.operators[0].outputs[0]]


def other_graph(model):
    model.signatureDefs[0].subgraphIndex = 1


def no_tensor(model):
    main, signature = model.subgraphs[0], model.signatureDefs[0]
    main.outputs = [9999]
    signature.outputs[0].tensorIndex = 9999


def no_buffer(model):
    model.subgraphs[0].tensors[0].buffer = 9999


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (custom, "operation CUSTOM"),
        (stateful, "operation ASSIGN_VARIABLE"),
        (beyond, "cut short"),
        (other_output, "another network without its signature"),
        (other_graph, "another network without its signature"),
        (no_tensor, "names tensors that it has not"),
        (no_buffer, "lie in buffers that it has not"),
    ],
)
@pytest.mark.parametrize("ask", ["open", "network"])
def test_what_a_network_does_not_need_is_refused(write, change, why, ask):
    folder = changed(write, change)
    with pytest.raises(ArtifactError, match=f"{why}.*export it again"):
        getattr(find_format("litert"), ask)(folder)


def test_without_its_package_it_is_refused_before_any_work(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"needs ai_edge_litert.*pip install -e '.\[litert\]'"):
        export_model(toy("plain"), ["litert"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_vector_that_the_converter_cuts_into_groups_is_poured_so(tmp_path, here):
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, name="conv")(inputs)
    x = layers.GroupNormalization(groups=2, name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(3, name="last")(x), name="groups")
    chance = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(chance.standard_normal(weight.shape))
    (report,) = export_model(model, ["litert"], tmp_path)
    assert report.passed, report.checks


def test_the_converter_starts_early_and_ends_when_it_has_answered(skeleton, tmp_path, monkeypatch):
    """What it makes is what a converter that starts late makes."""
    monkeypatch.setattr("export.process._in_this_process", ContextVar("another", default=False))
    before = {child.pid for child in psutil.Process().children()}
    made = {}
    for when in ("early", "late"):
        folder = tmp_path / when
        folder.mkdir()
        order = Order(skeleton=skeleton("plain"), folder=folder, scratch=tmp_path)
        with ExitStack() as held:
            if when == "early":
                find_format("litert").begin(order, held)
                assert len({child.pid for child in psutil.Process().children()} - before) == 1
            find_format("litert").write(order)
            assert {child.pid for child in psutil.Process().children()} <= before
        made[when] = (folder / "model.tflite").read_bytes()
    assert made["early"] == made["late"]


def test_a_converter_that_does_not_start_early_starts_late(skeleton, tmp_path, monkeypatch):
    refusing = mock.Mock(side_effect=OSError(11, "no more processes"))
    order = Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path)
    with ExitStack() as held, mock.patch("export.formats.litert.writing.child_of", refusing):
        find_format("litert").begin(order, held)
    assert refusing.called
    find_format("litert").write(order)
    assert (tmp_path / "model.tflite").exists()
