"""What tests of the readers share: arrays to write, and two ways in which reading can end."""

import numpy as np
import pytest

from keras_nets import WeightsError
from keras_nets.weights.readers import open_weights

ARRAYS = {
    "a": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.linspace(-1, 1, 5, dtype=np.float32),
    "scalar": np.array(2.5, np.float32),
}


def values(path) -> dict[str, np.ndarray]:
    """All tensors of a file."""
    with open_weights(path) as file:
        return {name: tensor.read() for name, tensor in file.tensors.items()}


def refused(path) -> str:
    """The one line that a file is refused with, in opening or in reading."""
    with pytest.raises(WeightsError) as caught:
        values(path)
    told = str(caught.value)
    assert str(path) in told and "\n" not in told and not told.endswith(".")
    return told


def same(got: dict, want: dict) -> None:
    assert list(got) == list(want)
    for name, array in want.items():
        assert got[name].dtype == np.float32
        assert np.array_equal(got[name], array), name
