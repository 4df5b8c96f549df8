import time

import numpy as np
import pytest

from export.benchmark.loadgen import offline, stream

pytest.importorskip("mlperf_loadgen", reason="comes with pip install '.[benchmark]'")


def test_a_stream_measures_each_call():
    found = stream(lambda: time.sleep(0.002), 0.4)
    assert found.valid and found.why == ""
    assert 64 <= len(found.nanoseconds) <= 200
    middle = np.median(found.nanoseconds)
    assert 2e6 <= middle < 4e6
    assert abs(found.p50_ns - middle) < 0.05 * middle


def test_a_stream_too_short_for_its_percentiles_is_not_valid():
    assert not stream(lambda: time.sleep(0.05), 0.2).valid


def test_offline_measures_throughput_by_batches():
    found = offline(lambda: time.sleep(0.004), batch=4, seconds=0.3, rate=1100)
    assert 500 < found.samples_per_s < 1000
    # Answered in a shorter time than was asked for, which loadgen does not accept.
    short = offline(lambda: None, batch=4, seconds=0.5, rate=10)
    assert not short.valid and "expected QPS" in short.why
