"""A rounded artifact without its rounding, beside the traced network on the same weights."""

import numpy as np
import pytest

from export.formats import open_network


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
