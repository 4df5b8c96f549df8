"""A rounded artifact without its rounding, beside the traced network on the same weights."""

import numpy as np
import pytest

from export.checks import Case, Expected
from export.formats import find_format, open_network
from export.gate import examine
from export.observe.plain import plainer


@pytest.mark.parametrize("format", ["onnx-fp16", "onnx-int8", "onnx-int8-trt"])
@pytest.mark.parametrize("name", ["plain", "odd", "shared"])
def test_both_give_the_same_and_no_fault_of_the_graph_hides(failures, written, name, format):
    assert failures(name, format, written(name, format)) == {}


def test_a_weight_that_is_taken_is_gone_and_its_values_stay(written):
    network = open_network("onnx-fp16", written("plain", "onnx-fp16"))
    before = network.read("conv2/kernel").copy()
    taken = network.take("conv2/kernel")
    np.testing.assert_array_equal(taken, before)
    with pytest.raises(KeyError):
        network.read("conv2/kernel")


@pytest.mark.parametrize("refused", [0, 1])
def test_a_process_that_cannot_be_started_early_is_started_in_its_turn(
    reference, written, tmp_path, monkeypatch, refused
):
    started = []

    def start(*asked):
        started.append(asked)
        if len(started) <= refused:
            raise BlockingIOError("no more processes")
        return plainer(*asked)

    monkeypatch.setattr(examine, "plainer", start)
    case = Case(
        format=find_format("onnx-fp16"),
        reference=reference("plain"),
        expected=Expected.unknown("a toy is in no catalog"),
    )
    folder = written("plain", "onnx-fp16")
    trial = examine.observed(case, folder, tmp_path, beside=True)
    assert len(started) == 1 + refused
    assert trial.plain.wanted and not trial.plain.error
    assert not any(tmp_path.iterdir())
