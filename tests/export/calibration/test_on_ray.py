"""Calibration on a Ray of this machine: the same ranges, whatever dies on the way."""

from dataclasses import replace
from functools import partial
from pathlib import Path

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
