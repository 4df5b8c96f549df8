"""Pictures decoded ahead of the network, in batches of bounded memory."""

import pytest
from number_network import make_examples, read

from export.evaluation.readers import Readers


def test_batches_hold_what_was_asked_for_and_little_is_read_ahead(tmp_path):
    examples = make_examples(tmp_path / "pictures")
    asked = []

    def counting(path):
        asked.append(path)
        return read(path)

    with Readers(0) as readers:
        batches = readers.batches(counting, examples.paths(), 4)
        indexes, images, broken = next(batches)
        assert indexes == [0, 1, 2, 3] and images.shape == (4, 2, 2, 3) and not broken
        assert len(asked) == 4
        sizes = [len(indexes) for indexes, _, _ in batches]
    assert sizes == [4, 4, 4, 4, 3]


def test_less_than_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers are 0 or more"):
        Readers(-1)
