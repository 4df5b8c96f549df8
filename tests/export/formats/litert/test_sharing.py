"""Flatbuffers in which equal vectors and tables are written once."""

import numpy as np
import pytest

from export.formats.litert.flatbuffer import OUTSIDE, packed, schema, unpacked

CHANNELS = 64


def tensor(name: str, scale: np.ndarray):
    kinds = schema()
    made = kinds.TensorT()
    made.name, made.shape = name, np.array([1, 2, CHANNELS], "<i4")
    made.quantization = kinds.QuantizationParametersT()
    made.quantization.scale = scale
    made.quantization.zeroPoint = np.zeros(CHANNELS, "<i8")
    return made


def model_of(*tensors):
    kinds = schema()
    model, graph = kinds.ModelT(), kinds.SubGraphT()
    graph.tensors, graph.operators = list(tensors), []
    model.subgraphs, model.buffers = [graph], [kinds.BufferT() for _ in range(5)]
    model.buffers[1].data = np.arange(4, dtype=np.uint8)
    model.buffers[2].offset = model.buffers[2].size = OUTSIDE
    return model


@pytest.fixture
def scales():
    return [np.arange(1, CHANNELS + 1, dtype="<f4") * step for step in (0.5, 0.25)]


def test_zero_points_that_are_alike_take_their_room_once(scales):
    one, two = (len(packed(model_of(*(tensor("t", s) for s in scales[:n])))) for n in (1, 2))
    assert two - one < 4 * CHANNELS + 150  # the scale, not 8 bytes more for each channel


def test_tables_that_are_alike_take_their_room_once(scales):
    one = len(packed(model_of(tensor("a", scales[0]))))
    assert len(packed(model_of(tensor("a", scales[0]), tensor("b", scales[0])))) - one < 100


def test_what_is_read_again_is_apart_and_as_it_was(scales):
    own = unpacked(packed(model_of(*(tensor(name, scales[0]) for name in "ab"))))
    first, second = own.subgraphs[0].tensors
    assert (first.name, second.name) == (b"a", b"b")
    first.quantization.scale = scales[1]
    np.testing.assert_array_equal(second.quantization.scale, scales[0])
    assert not second.quantization.zeroPoint.any()
    assert len(second.quantization.zeroPoint) == CHANNELS
    assert [one.offset for one in own.buffers] == [0, 0, OUTSIDE, 0, 0]
    assert list(own.buffers[1].data) == [0, 1, 2, 3]


def test_packing_changes_nothing_of_the_model(scales):
    model = model_of(tensor("a", scales[0]))
    first = packed(model)
    model.buffers[3].offset = model.buffers[3].size = OUTSIDE
    assert packed(model) != first
    model.buffers[3].offset = model.buffers[3].size = 0
    assert packed(model) == first
