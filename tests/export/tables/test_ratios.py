"""Ratios of figures that were measured in the same rounds."""

import pytest

from export.tables.ratios import cells, ratios


def record(format, medians, **more):
    known = {"model": "vgg13", "format": format, "runtime": "onnxruntime", "device": "cpu"}
    known |= {"batch": 1, "threads": None, "valid": True, "medians_ms": medians}
    return known | more


def test_formats_are_compared_round_by_round():
    found = ratios([record("onnx", [10.0, 20.0, 10.0]), record("onnx-int8", [4.0, 8.0, 5.0])])
    (int8,) = found
    assert int8.rounds == (0.4, 0.4, 0.5) and int8.middle == 0.4
    assert cells(int8)[2:5] == ["onnx-int8 in onnxruntime", "onnx", "0.40"]


def test_other_converters_are_the_base_of_ours():
    stock = record("onnx by tf2onnx", [10.0], valid=False)
    (found,) = ratios([stock, record("onnx", [9.0])])
    assert found.of == "onnx by tf2onnx" and cells(found)[4] == "0.90 (in doubt)"


def test_loadgen_is_compared_with_the_loop_beside_it():
    (found,) = ratios([record("onnx", [1.0], pairs_ms=[[10.1, 10.0], [9.9, 10.0]])])
    assert found.of == "a bare loop" and found.middle == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        record("onnx", [1.0], batch=4),
        record("onnx", [1.0, 2.0]),
        record("onnx", None),
        record("onnx", [1.0], machine={"cpu": "another"}),
    ],
)
def test_what_was_not_measured_together_is_not_compared(other):
    assert ratios([other, record("onnx-int8", [1.0])]) == []


@pytest.mark.parametrize("format", [None, "keras", "litert", "openvino"])
def test_what_has_no_counterpart_is_compared_with_nothing(format):
    assert ratios([record(format, [1.0]), record("onnx", [1.0])]) == []
