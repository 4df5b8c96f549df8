"""Large kernels are pruned in less memory than small ones, by the same rules."""

import numpy as np
import pytest

pytestmark = pytest.mark.lane
SHAPES = [(3, 3, 8, 5), (40, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", ["2:4", 0.3, 0.5, 0.999])
def test_a_kernel_that_is_too_large_for_the_library_is_pruned_alike(in_tfmot, shape, what):
    kernel = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    kernel[..., 0] = np.round(kernel[..., 0], 1)  # some values are the same
    both = [
        in_tfmot("prune", {"kernel": kernel}, what=what, at_once=at_once)[1]["kernel"]
        for at_once in (kernel.size, kernel.size // shape[-1])
    ]
    assert 0.25 < (both[0] == 0).mean() < 1
    assert np.array_equal(*both)
