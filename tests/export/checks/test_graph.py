"""The graph check on graphs that are not what their format promises."""

from dataclasses import replace

import pytest

from export.checks import Expected
from export.checks.graph import graph
from export.observe.base import Layer
from export.results import Status

MACS = {"inside": 3, "outside": 1, "uncounted": []}
PART = {
    "outside": {"Conv2D": 2},
    "outside_nodes": ["conv1/Conv2D", "conv1/again/Conv2D"],
    "macs": MACS,
}
TWO = PART | {"engines": 2, "takes": [[[-1, 4, 4, 3]], [[-1, 8]]], "gives": [[[-1, 8]], [[-1, 5]]]}
EMPTY = {"takes": [], "gives": [], "macs": MACS | {"inside": 0}}
EXPLICIT = {"batch": "explicit", "profile": ["ImplicitBatchModeCompatible"]}
LIARS = [
    ("savedmodel", {"ops": {"FusedBatchNormV3": 2}}, "2 batch-norms left"),
    ("savedmodel", {"ops": {"FusedBatchNorm": 1}}, "1 batch-norm left"),
    ("onnx", {"ops": {"BatchNormalization": 1}}, "1 batch-norm left"),
    ("onnx", {"ops": {"Transpose": 3}}, "3 transposes"),
    ("onnx", {"opset": 18}, "opset 18 instead of 17"),
    ("onnx", {"opset": 13}, "opset 13 instead of 17"),
    ("onnx", {"checker": "Nodes must be sorted"}, "the checker says: Nodes must be sorted"),
    ("tftrt-fp16", {"engines": 0, "precision": []} | EMPTY, "0 engines instead of one"),
    ("tftrt-fp16", {"engines": 0, "precision": []} | EMPTY, "TensorRT would do nothing; export to"),
    ("tftrt-fp16", TWO, "2 engines instead of one for the whole network, 75.0 % of the MACs"),
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
        PART,
        "one engine for a part of the network, 75.0 % of the MACs inside; outside, where no "
        "TensorRT runs: 2 Conv2D, of conv1; write these layers otherwise, export to onnx, which "
        "TensorRT reads itself, or accept a part with --partial-engines",
    ),
    (
        "tftrt-fp16",
        PART | {"outside_nodes": ["a/b/Conv2D", "b", "c/d", "d/e", "e/f/g"]},
        "2 Conv2D, of a, b, c and 2 more; write",
    ),
    (
        "tftrt-fp16",
        PART | {"macs": {"inside": 3, "outside": 1, "uncounted": ["StatelessWhile"]}},
        "75.0 % of the MACs inside, StatelessWhile outside not counted; outside",
    ),
    (
        "tftrt-fp16",
        {"batch": "explicit", "profile": ["Range"]},
        "a profile ['Range'] instead of ImplicitBatchModeCompatible, of one batch size alone",
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


@pytest.mark.parametrize(
    ("format", "op"), [("savedmodel", "FusedBatchNormV3"), ("onnx", "BatchNormalization")]
)
def test_batch_norms_of_a_saved_model_whose_layers_are_unseen_may_be_left(honest, format, op):
    own = {"batch_norms": 2}
    for left, status in ((2, Status.PASSED), (1, Status.PASSED), (3, Status.FAILED)):
        check = graph(honest(format, graph={"ops": {op: left}}, reference=own))
        assert check.status is status


def test_nothing_outside_the_engine_is_told_too(honest):
    assert graph(honest("tftrt-fp16")).note == "outside the engine: nothing"


def test_a_part_of_the_network_passes_where_it_is_accepted_and_its_share_is_told(honest):
    check = graph(honest("tftrt-fp16", graph=TWO, partial_engines=True))
    assert (check.status, check.measured, check.allowed) == (Status.PASSED, 2, None)
    assert check.note.startswith("2 engines instead of one for the whole network, 75.0 % of the ")
    assert check.details["share"] == 0.75
    whole = graph(honest("tftrt-fp16", partial_engines=True))
    assert (whole.status, whole.allowed, "share" in whole.details) == (Status.PASSED, 1, False)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"engines": 0, "precision": []} | EMPTY, "0 engines instead of one"),
        ({"takes": [[[-1, 4, 4, 3]], [[1, 8]]]}, "takes [1, 8], which has no axis for the batch"),
        ({"takes": [[[-1, 4, 4, 3]], [[]]]}, "takes [], which has no axis for the batch"),
        ({"precision": ["FP16", "FP32"]}, "engines of FP16, FP32 instead of FP16"),
        ({"ops": {"FusedBatchNormV3": 1}}, "1 batch-norm left"),
    ],
)
def test_accepting_a_part_excuses_nothing_else(honest, change, note):
    check = graph(honest("tftrt-fp16", graph=TWO | change, partial_engines=True))
    assert check.status is Status.FAILED
    assert note in check.note


def test_the_share_of_work_is_unknown_where_loops_are_outside(honest):
    macs = {"macs": MACS | {"uncounted": ["StatelessWhile"]}}
    check = graph(honest("tftrt-fp16", graph=TWO | macs, partial_engines=True))
    assert check.status is Status.PASSED
    assert check.details["share"] is None


def test_explicit_batch_is_told_because_no_gpu_has_run_it(honest):
    check = graph(honest("tftrt-fp16", graph=EXPLICIT))
    assert check.status is Status.PASSED
    assert check.note.endswith("explicit batch, a form that no GPU has run here: docs/tftrt.md")
    assert check.details["batch"] == "explicit"
    assert graph(honest("tftrt-fp16")).details["batch"] == "implicit"


def test_what_is_outside_is_told_by_the_names_of_the_models_layers(honest):
    nodes = ["first_trunk/conv_1/loop/Conv2D", "other/Add", "first_trunk/conv_1/BiasAdd"]
    layers = (Layer("first trunk/conv 1", 1.0), Layer("logits", 1.0))
    graphed = PART | {"outside_nodes": nodes}
    check = graph(honest("tftrt-fp16", graph=graphed, reference={"layers": layers}))
    assert "of first trunk/conv 1, other; write" in check.note


def test_a_cast_of_an_input_may_stay_outside_and_is_told(honest):
    check = graph(honest("tftrt-fp16", graph={"casts": 1}))
    assert (check.status, check.note) == (
        Status.PASSED,
        "outside the engine: 1 cast of inputs to floats",
    )


def test_as_many_engines_are_kept_as_there_are_batch_sizes(honest):
    assert graph(honest("tftrt-fp16", batch_sizes=(1, 2, 4, 8))).status is Status.FAILED
    assert graph(honest("tftrt-fp16", batch_sizes=(16,))).status is Status.PASSED


def test_a_graph_that_could_not_be_looked_at_fails_with_the_reason(honest):
    trial = honest(observation={"error": "saved_model.pb is damaged"})
    check = graph(replace(trial, observation=replace(trial.observation, graph={})))
    assert (check.status, check.note) == (Status.FAILED, "saved_model.pb is damaged")
