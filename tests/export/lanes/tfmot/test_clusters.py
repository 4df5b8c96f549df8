"""The nearest centres are the same, however much memory they take to find."""

import numpy as np
import pytest

pytestmark = pytest.mark.lane


@pytest.mark.parametrize("count", [2, 16])
def test_centres_are_those_that_the_library_finds(in_tfmot, count):
    random = np.random.default_rng(count)
    weight = random.standard_normal((3, 3, 8, 5)).astype(np.float32)
    centres = random.standard_normal(count).astype(np.float32)
    centres[-1] = 0.0
    _, found = in_tfmot("nearest", {"weight": weight, "centres": centres})
    assert found["little"].shape == weight.shape and found["little"].dtype == np.int64
    assert np.array_equal(found["library"], found["little"])
    assert len(np.unique(found["little"])) == count
