"""How many pictures are in memory at once."""

import pytest

pytestmark = pytest.mark.lane
SMALL, LARGE, HUGE = [8, 8, 3], [1024, 1024, 4], [4096, 4096, 8]  # 768 bytes, 16 and 512 MiB


@pytest.mark.parametrize(
    ("shape", "batch_norm", "asked", "portions"),
    [
        (SMALL, False, None, (32, 32, False)),
        (SMALL, True, None, (32, 32, False)),
        (SMALL, False, 100, (100, 100, False)),
        (LARGE, False, 16, (16, 16, False)),
        (LARGE, False, None, (32, 16, False)),
        (LARGE, False, 33, (33, 11, False)),
        (HUGE, False, None, (32, 1, False)),
        (HUGE, True, None, (8, 8, True)),
        (HUGE, True, 16, (16, 16, False)),
    ],
)
def test_a_batch_that_does_not_fit_goes_in_parts_or_is_smaller_with_a_batch_norm(
    in_tfmot, shape, batch_norm, asked, portions
):
    answer, _ = in_tfmot("portions", {}, shape=shape, batch_norm=batch_norm, asked=asked)
    assert tuple(answer[name] for name in ("batch_size", "part", "fewer")) == portions
