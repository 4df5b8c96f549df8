"""Memory that numpy fills and TensorFlow reads."""

import numpy as np
import pytest

from export.networks.sharing import room_for, shared


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5, 2), (1000, 3)])
def test_a_tensor_lies_where_its_values_were_put(shape):
    room = room_for(shape)
    room[...] = np.arange(room.size).reshape(shape)
    tensor = shared(room)
    assert tuple(tensor.shape) == shape
    assert np.asarray(tensor).ctypes.data == room.ctypes.data
    np.testing.assert_array_equal(tensor.numpy(), room)


def test_the_memory_is_there_as_long_as_the_tensor():
    tensors = []
    for value in range(20):
        room = room_for((50_000,))
        room[...] = value
        tensors.append(shared(room))
        del room
    assert [float(tensor[-1]) for tensor in tensors] == list(range(20))
