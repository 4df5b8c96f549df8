"""Calibration on a Ray of this machine: the same ranges, whatever dies on the way."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import looked_at
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import export
from export.calibration.images import Calibration, Made
from export.calibration.ranges import measure_ranges
from export.cluster import Cluster
from export.errors import ExportError
from export.skeleton.pour import Placement

pytest.importorskip("ray.data", reason="comes with pip install '.[ray]'")
COUNT = 40
MODULES = (Path(export.__file__).parent, Path(looked_at.__file__).parent / "x")


class Running(Cluster):
    """A Ray that several calibrations use; starting one takes ten seconds."""

    def holding(self, size):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="module")
def cluster():
    with Cluster(2, modules=MODULES):
        yield Running(2)


@pytest.fixture(scope="module")
def network():
    """A dense layer whose kernel is fed, and a ReLU."""
    values = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, *looked_at.SHAPE]),
        helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [48, 5]),
    ]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["dense"]),
        helper.make_node("Relu", ["dense"], ["relu"]),
    ]
    given = helper.make_tensor_value_info("relu", TensorProto.FLOAT, [None, 5])
    model = helper.make_model(
        helper.make_graph(nodes, "net", values, [given]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    kernel = np.random.default_rng(0).standard_normal((48, 5)).astype(np.float32)
    return model, {"kernel": kernel}


@pytest.fixture
def litert(tmp_path, monkeypatch):
    """A function from a calibration to the ranges of the same network as LiteRT runs it."""
    pytest.importorskip("ai_edge_litert", reason="comes with pip install '.[litert]'")
    from export.formats.base import Order
    from export.formats.litert.calibrating import ranges

    def measure(calibration, cache: str):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        kernel = np.random.default_rng(0).standard_normal((5, 48)).astype(np.float32)
        weights = [SimpleNamespace(name="kernel", shape=kernel.shape, read=lambda: kernel)]
        order = Order(
            skeleton=SimpleNamespace(weights=weights),
            folder=tmp_path,
            scratch=tmp_path,
            calibration=calibration,
        )
        places = [(1, Placement(0, "kernel", kernel.shape))]
        return ranges(dense_in_litert(kernel.shape), places, order)

    return measure


def dense_in_litert(shape):
    """A dense layer and a ReLU, its kernel, of `shape`, in buffer 1 behind the flatbuffer."""
    from export.formats.litert.flatbuffer import number_of, schema

    kinds = schema()
    model, graph, signature = kinds.ModelT(), kinds.SubGraphT(), kinds.SignatureDefT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    model.buffers = [kinds.BufferT(), kinds.BufferT()]
    graph.tensors, graph.operators = [], []
    sizes = {"image": (1, *looked_at.SHAPE), "kernel": shape, "dense": (1, 5), "relu": (1, 5)}
    for name, size in sizes.items():
        tensor = kinds.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(size), int(name == "kernel")
        graph.tensors.append(tensor)
    for kind, inputs, output in (("FULLY_CONNECTED", [0, 1, -1], 2), ("RELU", [2], 3)):
        operator = kinds.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = (
            number_of(model, kind), inputs, [output]
        )  # fmt: skip
        graph.operators.append(operator)
    graph.operators[0].builtinOptionsType = kinds.BuiltinOptions.FullyConnectedOptions
    graph.operators[0].builtinOptions = kinds.FullyConnectedOptionsT()
    graph.inputs, graph.outputs = [0], [3]
    given = kinds.TensorMapT()
    given.name, given.tensorIndex = "image", 0
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [given], []
    model.signatureDefs = [signature]
    return model


def calibration(make, method="minmax") -> Calibration:
    return Calibration(source="numbers", images=Made(tuple(range(COUNT)), make), method=method)


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_ranges_are_those_of_one_machine_also_where_an_actor_is_killed(
    network, cluster, tmp_path, method
):
    mark = tmp_path / "died"
    here = calibration(looked_at.make, method)
    there = replace(calibration(partial(looked_at.make_or_die, mark), method), cluster=cluster)
    expected = measure_ranges(*network, here, tmp_path / "here.json")
    assert measure_ranges(*network, there, tmp_path / "there.json") == expected
    assert mark.exists() and set(expected) == {"image", "flat", "dense", "relu"}
    assert (tmp_path / "here.json").read_text() == (tmp_path / "there.json").read_text()


def test_ranges_of_litert_are_those_of_one_machine_which_alone_has_the_file(litert, cluster):
    here = calibration(looked_at.make)
    expected = litert(here, "here")
    assert litert(replace(here, cluster=cluster), "there") == expected
    assert set(expected) == {"image", "dense", "relu"}
    assert expected["relu"] == (0, expected["dense"][1])


def test_a_number_that_is_not_finite_names_image_and_tensor_and_what_was_noted_is_no_harm(
    network, cluster, tmp_path
):
    def spoilt(number):
        return looked_at.make(number) * (np.inf if number == 37 else 1)

    notes = tmp_path / "notes.json"
    given = replace(calibration(spoilt), cluster=cluster)
    with pytest.raises(ExportError, match="image 37 makes .* which has no range"):
        measure_ranges(*network, given, notes)
    resumed = replace(calibration(looked_at.make), cluster=cluster)
    expected = measure_ranges(*network, calibration(looked_at.make), tmp_path / "other.json")
    assert measure_ranges(*network, resumed, notes) == expected
