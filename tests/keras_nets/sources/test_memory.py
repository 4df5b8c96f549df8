"""A model takes about as much memory as its file is worth."""

import resource

import numpy as np
import pytest

from keras_nets.sources.memory import SLACK, bounded_by


def test_what_goes_beyond_the_file_is_refused_and_the_limit_is_gone_afterwards(tmp_path):
    (tmp_path / "file").write_bytes(b"small")
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_by(tmp_path / "file"):
        np.empty(SLACK // 4, np.uint8)
        with pytest.raises(MemoryError):
            np.empty(100 * SLACK, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_limit_of_the_users_stays_where_it_is_lower(tmp_path):
    (tmp_path / "file").write_bytes(b"small")
    before = resource.getrlimit(resource.RLIMIT_AS)
    lower = 1 << 40  # bytes; far above what this process has
    resource.setrlimit(resource.RLIMIT_AS, (lower, before[1]))
    try:
        with bounded_by(tmp_path / "file"):
            assert resource.getrlimit(resource.RLIMIT_AS)[0] <= lower
        assert resource.getrlimit(resource.RLIMIT_AS)[0] == lower
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
