"""Ray clusters that cannot be used are one line, at once."""

import time

import pytest

from export.cluster import Cluster
from export.errors import ExportError

pytest.importorskip("ray.data", reason="comes with pip install '.[ray]'")


def test_a_cluster_that_is_not_there_is_one_line_at_once():
    started = time.monotonic()
    with pytest.raises(ExportError, match="Ray at 127.0.0.1:1 cannot be reached or started") as it:
        Cluster(address="127.0.0.1:1").__enter__()
    assert "\n" not in str(it.value) and time.monotonic() - started < 30
