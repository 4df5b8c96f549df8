"""LiteRT in 8 bits: the quantizer's own integers, steps of true ranges, and bugs in both."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export import Options, Wish, export_model, verify
from export.calibration.images import check, of_array, settled
from export.calibration.reading import of_file, synthetic
from export.formats import find_format
from export.formats.base import Order
from export.formats.litert import quantizing
from export.formats.litert.flatbuffer import operation, packed, text, unpacked
from export.formats.litert.quantizing import CHANNELS
from export.formats.litert.reading import read_flat
from export.formats.litert.steps import INT8, INT32, steps_of
from export.observe.probes import probes
from export.results import Status, Verdict

TOYS = ("plain", "odd", "shared", "nested")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path, here):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def write(skeleton, tmp_path):
    """A function from a toy to what was written, and the folder."""

    def write(name: str, **order):
        traced, folder = skeleton(name), tmp_path / f"{name}-made"
        folder.mkdir(exist_ok=True)
        own = settled(synthetic(count=16), traced, 0)
        sha256 = check(own, traced.image)
        asked = Order(skeleton=traced, folder=folder, scratch=tmp_path, calibration=own,
                      images_sha256=sha256, **order)  # fmt: skip
        return find_format("litert-int8").write(asked), folder

    return write


def kernels(folder) -> dict:
    """(tensor, its operation) of each kernel, by its name."""
    flat = read_flat(folder)
    main = flat.model.subgraphs[0]
    return {
        text(main.tensors[one.inputs[1]].name): (main.tensors[one.inputs[1]], one)
        for one in main.operators
        if operation(flat.model, one) in CHANNELS
    }


@pytest.mark.parametrize("name", TOYS)
def test_every_kernel_is_of_integers_with_a_scale_for_each_channel(write, skeleton, name):
    written, folder = write(name)
    found = kernels(folder)
    assert len(found) >= 2
    for tensor, _ in found.values():
        assert tensor.type == INT8
        assert (
            len(tensor.quantization.scale) == tensor.shape[tensor.quantization.quantizedDimension]
        )
    assert written.ranges and not {*found} & {f"{layer}/kernel" for layer in written.kept}


def test_floats_go_in_and_come_out_and_biases_have_32_bits(write):
    _, folder = write("plain")
    flat = read_flat(folder)
    types = {text(tensor.name): tensor.type for tensor in flat.model.subgraphs[0].tensors}
    assert types["image"] == types["logits"] == 0 and types["conv2/bias"] == INT32
    runner = Interpreter(str(folder / "model.tflite")).get_signature_runner("serving_default")
    for count in (1, 3):
        assert runner(image=probes((32, 32, 3), count=count))["logits"].shape == (count, 5)


def test_integers_are_the_quantizers_own_to_the_bit(write, monkeypatch):
    """Those that it makes of a model that has all its weights."""
    whole, narrow = {}, quantizing._narrow

    def keep(model, held, weights):
        full = unpacked(packed(model))
        for graph in full.subgraphs:
            for tensor in graph.tensors:
                if tensor.buffer in held:
                    place = held[tensor.buffer]
                    values = quantizing.follow(place.steps, weights[place.index].read())
                    raw = np.ascontiguousarray(values, "<f4").tobytes()
                    full.buffers[tensor.buffer].data = np.frombuffer(raw, np.uint8)
                    full.buffers[tensor.buffer].offset = full.buffers[tensor.buffer].size = 0
        quantizing._mark_names(full)
        whole["model"] = full
        narrow(model, held, weights)

    def both(model, spans, apart, library=quantizing._library):
        whole["made"] = unpacked(library(whole["model"], spans, apart))
        return library(model, spans, apart)

    monkeypatch.setattr(quantizing, "_narrow", keep)
    monkeypatch.setattr(quantizing, "_library", both)
    _, folder = write("plain")
    theirs = {
        quantizing.PLACED.sub("", text(tensor.name)): bytes(
            whole["made"].buffers[tensor.buffer].data
        )
        for tensor in whole["made"].subgraphs[0].tensors
        if tensor.type in (INT8, INT32) and whole["made"].buffers[tensor.buffer].data is not None
    }
    flat = read_flat(folder)
    own = {
        text(graph.tensors[number].name): flat.kept(graph.tensors[number]).tobytes()
        for graph, number in flat.tensors()
    }
    shared = [name for name in own if name.endswith(("kernel", "bias"))]
    assert len(shared) >= 8
    assert all(own[name] == theirs[name] for name in shared)


def test_steps_are_those_of_true_minima_and_maxima(write):
    written, folder = write("plain")
    pairs = {one["tensor"]: one for one in find_format("litert-int8").open(folder).graph["pairs"]}
    low, high = written.ranges["image"]
    assert (pairs["image"]["scale"], pairs["image"]["zero"]) == steps_of((low, high))
    assert steps_of((0.0, 255.0)) == (1.0, -128) and steps_of((-1.0, 0.0))[1] == 127


def test_a_layer_that_is_kept_stays_in_32_bits(write):
    written, folder = write("plain", keep=("conv2",))
    assert written.kept["conv2"] == "asked for"
    types = {name: tensor.type for name, (tensor, _) in kernels(folder).items()}
    assert types["conv2/kernel"] == 0 and types["conv3/kernel"] == INT8


@pytest.fixture(scope="module")
def exported(toy, tmp_path_factory):
    from export.process import in_this_process

    options = Options(
        calibration=of_array(probes((32, 32, 3), 7, 40), "probes.npz"),
        wish=Wish(strict=True, layers=True),
    )
    with in_this_process():
        (report,) = export_model(
            toy("plain"), ["litert-int8"], tmp_path_factory.mktemp("int8"), options=options
        )
    return report


def test_a_toy_passes_and_every_planted_bug_is_caught(exported):
    assert exported.passed and exported.verdict is Verdict.VERIFIED, exported.checks
    details = exported.check("parity").details
    assert details["power"]["missed"] == [] and details["power"]["of"] >= 16
    bugs = {one["name"]: one["caught_by"] for one in details["mutants"]}
    assert "ranges" in bugs["a scale off by 1 %"] and "ranges" in bugs["a zero point moved"]
    assert "weights" in bugs["one scale for all channels"]
    assert details["halves"]["exact"]["allowed"] < 1e-3 < details["halves"]["rounded"]["allowed"]


def test_it_is_verified_again_and_made_again_without_its_pictures(exported, toy, tmp_path):
    assert verify(toy("plain"), exported.folder).passed
    options = Options(calibration=of_file(Path(exported.folder) / "report.json"))
    (again,) = export_model(toy("plain"), ["litert-int8"], tmp_path, options=options)
    assert again.artifact["files"] == exported.artifact["files"]


def test_what_the_quantizer_leaves_in_32_bits_is_listed_with_the_reason(tmp_path):
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, activation="swish", name="conv1")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, activation="relu", name="up")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    ends = layers.Dense(5, activation="softmax", name="last")(x)
    model = keras.Model(inputs, ends, name="odd_ones")
    options = Options(calibration=synthetic(count=16))
    (report,) = export_model(model, ["litert-int8"], tmp_path, options=options)
    assert report.check("weights").status is Status.PASSED, report.check("weights").note
    assert report.passed, report.checks
    assert report.artifact["kept"] == {
        "up": quantizing.UNABLE,
        "conv1/Sigmoid": quantizing.OWN_STEPS,
    }


def test_without_pictures_it_is_refused_with_the_option_that_is_missing(toy, tmp_path):
    with pytest.raises(ValueError, match="litert-int8 needs calibration.*--calibration DIR"):
        export_model(toy("plain"), ["litert-int8"], tmp_path)
