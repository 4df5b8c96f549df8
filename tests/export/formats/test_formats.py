"""Every toy through every format: what comes back is what went in."""

import dataclasses
import runpy
import shutil
from dataclasses import replace

import keras
import numpy as np
import onnx
import pytest

from export.calibration.prepared import prepare
from export.calibration.reading import synthetic
from export.errors import ArtifactError
from export.formats import ALL, FORMATS, find_format, names, registry
from export.formats.base import Order
from export.formats.litert.flatbuffer import OUTSIDE
from export.formats.litert.reading import read_flat
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

TOYS = ("plain", "odd", "shared", "nested", "subclassed")
lane = pytest.mark.lane

CASES = [
    (name, format)
    for format in ("savedmodel", "onnx", "onnx-fp16", "openvino", "litert", "litert-fp16")
    for name in TOYS
] + [
    pytest.param(name, format, marks=lane)
    for name, format in (("plain", "tftrt-fp32"), ("plain", "tftrt-fp16"), ("odd", "tftrt-fp16"))
]
EACH_FORMAT = [
    pytest.param(format.name, marks=lane if format.lane else ()) for format in ALL
    if format.name != "tftrt-fp32"
]  # fmt: skip


@pytest.mark.parametrize(("name", "format"), CASES)
def test_a_toy_fails_no_check(written, failures, name, format):
    assert failures(name, format, written(name, format)) == {}


@pytest.mark.parametrize(("name", "format"), CASES)
def test_weights_keep_the_shapes_that_keras_has(written, look, reference, name, format):
    seen = look(format, written(name, format), {"image": reference(name).inputs["image"][:1]})
    held = {found.sha256: found.shape for found in seen.weights}
    for weight in reference(name).weights_in(
        FORMATS[format]
    ):  # TF-TRT may have moved an axis of length 1
        assert _longer_than_one(held[weight.sha256]) == _longer_than_one(weight.shape)


def _longer_than_one(shape):
    return [size for size in shape if size != 1]


MAY_FAIL = {"weights", "parity", "ranges"}  # other weights have other activations


def calibrated(skeleton, format) -> dict:
    """What an order brings to a format that rounds by the ranges of activations."""
    return prepare(synthetic(count=16), skeleton, 0).order if format.needs else {}


@pytest.mark.parametrize("format", EACH_FORMAT)
def test_an_artifact_of_other_weights_fails_weights_and_parity(
    toy, failures, tmp_path, written, format
):
    if format == "tftrt-fp16":  # a converted graph is poured again, which takes no lane
        other = _poured_again(written("plain", format), tmp_path)
    else:
        model = seed_weights(keras.models.clone_model(toy("plain")), 99)
        other = tmp_path / "made"
        other.mkdir()
        order = Order(skeleton=trace(model), folder=other, scratch=tmp_path)
        FORMATS[format].write(replace(order, **calibrated(order.skeleton, FORMATS[format])))
    assert {"weights", "parity"} <= set(failures("plain", format, other)) <= MAY_FAIL


def _poured_again(folder, tmp_path):
    """A copy in which every large weight is negated."""
    from export.formats.tftrt import MODEL, weights_schema
    from export.skeleton.wire import rewrite, write

    other = shutil.copytree(folder, tmp_path / "made")

    def negated(_, content):
        return (-np.frombuffer(content, "<f4")).tobytes() if len(content) > 1000 else None

    with (other / MODEL).open("wb") as file:
        write(rewrite(memoryview((folder / MODEL).read_bytes()), weights_schema(), negated), file)
    return other


MAIN_FILE = {  # by kind
    "savedmodel": "1/saved_model.pb",
    "onnx": "model.onnx",
    "openvino": "model.xml",
    "litert": "model.tflite",
    "tftrt": "1/saved_model.pb",
}


def damaged(content: bytes, kind: str) -> bytes:
    if kind == "flipped":
        at = len(content) // 2
        return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :]
    return {
        "empty": b"",
        "garbage": np.random.default_rng(0).bytes(5000),
        "text": b"This is not the file that you are looking for.\n" * 99,
        "zeros": bytes(len(content)),
        "cut at a byte": content[:1],
        "cut in half": content[: len(content) // 2],
        "cut by a byte": content[:-1],
    }[kind]


@pytest.mark.parametrize("format", EACH_FORMAT)
@pytest.mark.parametrize(
    "kind",
    ["empty", "garbage", "text", "zeros", "cut at a byte", "cut in half", "cut by a byte"],
)
def test_a_damaged_file_fails_checks_and_says_why_in_one_line(
    written, failures, tmp_path, format, kind
):
    folder = shutil.copytree(written("plain", format), tmp_path / "damaged")
    path = folder / MAIN_FILE[FORMATS[format].kind]
    path.write_bytes(damaged(path.read_bytes(), kind))
    failed = failures("plain", format, folder)
    assert set(failed) == {"contract"}
    assert "export it again" in failed["contract"].note
    assert "\n" not in failed["contract"].note


WEIGHTS_FILE = {
    **MAIN_FILE,
    "savedmodel": "1/variables/variables.data-00000-of-00001",
    "openvino": "model.bin",
}


@pytest.mark.parametrize("format", EACH_FORMAT)
def test_one_flipped_bit_in_a_weight_fails_the_check_of_weights(
    written, failures, tmp_path, format
):
    folder = shutil.copytree(written("plain", format), tmp_path / "damaged")
    path = folder / WEIGHTS_FILE[FORMATS[format].kind]
    content = path.read_bytes()
    if FORMATS[format].kind == names.LITERT:
        buffers = read_flat(folder).model.buffers
        start = min(buffer.offset for buffer in buffers if buffer.offset >= OUTSIDE)
        flipped = content[:start] + damaged(content[start:], "flipped")
    elif FORMATS[format].precision == "int8":  # the graph, with its scales, takes most of the file
        weight = onnx.load(path).graph.initializer
        largest = max(weight, key=lambda tensor: len(tensor.raw_data)).raw_data
        flipped = content.replace(largest, damaged(largest, "flipped"))
    else:
        flipped = damaged(content, "flipped")
    path.write_bytes(flipped)
    assert "weights" in failures("plain", format, folder)


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_a_folder_without_an_artifact_is_an_artifact_error(format, tmp_path):
    with pytest.raises(ArtifactError, match="export it again"):
        format.open(tmp_path)


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_a_format_is_frozen_and_says_what_it_is(format):
    with pytest.raises(dataclasses.FrozenInstanceError):
        format.name = "another"
    assert format.title
    assert format.precision in ("fp32", "fp16", "int8")
    assert 0 < format.rule.fixed <= (0.3 if format.rounds else 1e-3)
    assert format.kind


def test_an_unknown_format_is_told_the_known_ones():
    assert find_format("onnx") is FORMATS["onnx"]
    with pytest.raises(
        ValueError, match="no format is called 'tflite'; known are savedmodel, onnx"
    ):
        find_format("tflite")


def test_a_format_that_is_listed_under_another_name_is_refused(monkeypatch):
    monkeypatch.setitem(names.MADE_IN, "tflite", "export.formats.onnx:FORMAT")
    with pytest.raises(RuntimeError, match="lists export.formats.onnx:FORMAT as tflite"):
        runpy.run_path(registry.__file__)
