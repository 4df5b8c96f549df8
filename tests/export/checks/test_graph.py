"""The graph check on graphs that are not what their format promises."""

from dataclasses import replace

import pytest

from export.checks import Expected
from export.checks.graph import graph
from export.results import Status

LIARS = [
    ("savedmodel", {"ops": {"FusedBatchNormV3": 2}}, "2 batch-norms left"),
    ("savedmodel", {"ops": {"FusedBatchNorm": 1}}, "1 batch-norm left"),
    ("onnx", {"ops": {"BatchNormalization": 1}}, "1 batch-norm left"),
    ("onnx", {"ops": {"Transpose": 3}}, "3 transposes"),
    ("onnx", {"opset": 18}, "opset 18 instead of 17"),
    ("onnx", {"opset": 13}, "opset 13 instead of 17"),
    ("onnx", {"checker": "Nodes must be sorted"}, "the checker says: Nodes must be sorted"),
    ("tftrt-fp16", {"engines": 0, "precision": []}, "0 engines instead of one"),
    ("tftrt-fp16", {"engines": 2}, "2 engines instead of one"),
    ("tftrt-fp16", {"precision": ["FP32"]}, "engines of FP32 instead of FP16"),
    ("tftrt-fp16", {"precision": ["INT8"]}, "engines of INT8 instead of FP16"),
    ("tftrt-fp16", {"precision": ["FP16", "FP32"]}, "engines of FP16, FP32 instead of FP16"),
    ("tftrt-fp32", {"precision": ["FP16"]}, "engines of FP16 instead of FP32"),
    ("tftrt-fp16", {"static": True}, "built for one GPU"),
    ("tftrt-fp16", {"cached_engines": 2}, "room for 2 engines and 3 batch sizes"),
    ("tftrt-fp16", {"takes": [[[-4097, 4, 4, 3]]]}, "shapes [[-4097, 4, 4, 3]] instead of [-1, 4"),
    ("tftrt-fp16", {"gives": [[[-1, 4]]]}, "gives shapes [[-1, 4]] instead of [-1, 5]"),
    ("tftrt-fp16", {"takes": [[[-1, 4, 4, 1]]]}, "and runs others in FP32 without a word"),
    ("tftrt-fp16", {"takes": [[[]]]}, "takes inputs of shapes [[]] instead of"),
    (
        "tftrt-fp16",
        {"outside": {"Conv2D": 2}, "outside_first": "conv1/Conv2D"},
        "outside the engine, where no TensorRT runs: 2 Conv2D, first 'conv1/Conv2D'",
    ),
    ("tftrt-fp16", {"ops": {"FusedBatchNormV3": 1}}, "1 batch-norm left"),
]


@pytest.mark.parametrize(("format", "change", "note"), LIARS)
def test_a_graph_that_is_not_what_its_format_promises_fails(honest, format, change, note):
    check = graph(honest(format, graph=change))
    assert check.status is Status.FAILED
    assert note in check.note


def test_every_fault_of_a_graph_is_told(honest):
    note = graph(
        honest("onnx", graph={"opset": 18, "checker": "bad", "ops": {"Transpose": 9}})
    ).note
    assert note == "opset 18 instead of 17; the checker says: bad; 9 transposes"


@pytest.mark.parametrize(
    ("format", "measured", "allowed", "unit"),
    [
        ("savedmodel", 0, 0, "batch-norms"),
        ("onnx", 2, 2, "transposes"),
        ("tftrt-fp16", 1, 1, "engines"),
    ],
)
def test_an_honest_graph_passes_with_its_figures(honest, format, measured, allowed, unit):
    check = graph(honest(format))
    assert check.status is Status.PASSED
    assert (check.measured, check.allowed, check.unit) == (measured, allowed, unit)


def test_transposes_are_bounded_only_where_the_network_is_known(honest):
    unknown = Expected.unknown("no catalog")
    check = graph(honest("onnx", graph={"ops": {"Transpose": 7}}, expected=unknown))
    assert (check.status, check.measured, check.allowed) == (Status.PASSED, 7, None)
    norms = {"ops": {"Transpose": 7, "BatchNormalization": 1}}
    assert graph(honest("onnx", graph=norms, expected=unknown)).status is Status.FAILED


def test_nothing_outside_the_engine_is_told_too(honest):
    assert graph(honest("tftrt-fp16")).note == "outside the engine: nothing"


def test_as_many_engines_are_kept_as_there_are_batch_sizes(honest):
    assert graph(honest("tftrt-fp16", batch_sizes=(1, 2, 4, 8))).status is Status.FAILED
    assert graph(honest("tftrt-fp16", batch_sizes=(16,))).status is Status.PASSED


def test_a_graph_that_could_not_be_looked_at_fails_with_the_reason(honest):
    trial = honest(observation={"error": "saved_model.pb is damaged"})
    check = graph(replace(trial, observation=replace(trial.observation, graph={})))
    assert (check.status, check.note) == (Status.FAILED, "saved_model.pb is damaged")
