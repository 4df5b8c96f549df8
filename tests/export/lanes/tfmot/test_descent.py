"""Steps on a batch that goes through the network in parts are those on the whole batch."""

import numpy as np
import pytest

pytestmark = pytest.mark.lane


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_parts_of_a_batch_come_to_what_keras_does_on_all_of_it(in_tfmot, optimizer):
    random = np.random.default_rng(0)
    arrays = {
        "images": random.standard_normal((10, 4, 4, 2)).astype(np.float32),
        "labels": random.integers(0, 3, 10),
    }
    _, wanted = in_tfmot("learn_by_keras", arrays, optimizer=optimizer)
    for part in (10, 4):
        answer, found = in_tfmot("learn", arrays, optimizer=optimizer, part=part)
        counts = [[count for count, _, _ in step] for step in answer["seen"]]
        assert counts == [[10] if part == 10 else [4, 4, 2]] * 3
        assert found.keys() == wanted.keys()
        assert all(np.allclose(found[name], wanted[name], atol=2e-6) for name in wanted)
