"""What a weight is kept as: cut into parts, each converted by itself."""

import numpy as np
import pytest

from export.skeleton import stores
from export.skeleton.stores import FLOAT16, FLOAT32

VALUES = np.random.default_rng(0).standard_normal((7, 5, 3)).astype(np.float32) * 1e5


@pytest.mark.parametrize("chunk", [1 << 24, 100, 1])
@pytest.mark.parametrize("values", [VALUES, VALUES.transpose(2, 0, 1), VALUES[0, 0, 0]])
def test_values_are_kept_in_c_order_however_they_are_cut(monkeypatch, chunk, values):
    monkeypatch.setattr(stores, "CHUNK", max(chunk, 4))
    assert b"".join(FLOAT32.chunks(values)) == values.astype("<f4").tobytes()
    half = np.clip(values, -65504, 65504).astype("<f2")
    assert b"".join(FLOAT16.chunks(values)) == half.tobytes()


def test_what_is_beyond_float16_becomes_its_largest_number():
    kept = np.frombuffer(b"".join(FLOAT16.chunks(np.float32([1e6, -7e4, 1e-9]))), "<f2")
    assert kept.tolist() == [65504, -65504, 0]
