"""Images to compare networks on."""

import numpy as np
import pytest

from export.observe.probes import in_batches, inputs, probes


def test_probes_are_seeded_and_differ_from_each_other():
    images = probes((16, 24, 3), seed=4)
    assert images.shape == (8, 16, 24, 3)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, probes((16, 24, 3), seed=4))
    assert not np.array_equal(images, probes((16, 24, 3), seed=5))
    assert len({image.tobytes() for image in images}) == 8
    assert 0.3 < images.std() < 3


def test_given_images_come_after_the_probes():
    given = probes((4, 6, 3), seed=9, count=3)
    both = inputs((4, 6, 3), 1, given)
    np.testing.assert_array_equal(both, np.concatenate([probes((4, 6, 3), 1), given]))
    np.testing.assert_array_equal(inputs((4, 6, 3), 1, None), probes((4, 6, 3), 1))


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 6, 4, 3), np.float32),
        np.zeros((4, 6, 3), np.float32),
        np.zeros((0, 4, 6, 3), np.float32),
        np.zeros((2, 4, 6, 3), np.uint8),
        np.full((2, 4, 6, 3), np.nan, np.float32),
    ],
    ids=["turned", "no batch", "none", "bytes", "NaN"],
)
def test_images_that_do_not_fit_are_refused(given):
    with pytest.raises(ValueError, match=r"finite float32 \(n, 4, 6, 3\)\. Received: "):
        inputs((4, 6, 3), 0, given)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 9])
def test_probes_are_run_in_small_and_odd_batches(count):
    sizes, images = [], probes((4, 4, 3), count=count)

    def predict(batch):
        sizes.append(len(batch))
        return batch.reshape(len(batch), -1)

    np.testing.assert_array_equal(in_batches(images, predict), images.reshape(count, -1))
    assert sizes[:2] == [1, 3][: len(sizes)] or count == 2
    assert sum(sizes) == count
