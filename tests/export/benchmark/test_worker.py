import numpy as np
import pytest

from export.benchmark import worker

pytest.importorskip("mlperf_loadgen", reason="comes with pip install '.[benchmark]'")
INPUTS = [{"name": "image", "dtype": "float32", "shape": [32, 32, 3]}]


def ask(**job):
    answer, arrays = worker.work(job, {})
    assert arrays == {} and answer["cpu_s"] > 0 and answer["peak_rss_bytes"] > 1e6
    return answer


@pytest.fixture
def opened(written):
    job = {"runtime": "onnxruntime", "format": "onnx", "folder": str(written("plain", "onnx"))}
    job |= {"threads": 1, "pin": [], "inputs": INPUTS, "batches": [1, 2]}
    yield ask(do="open", **job)
    worker._opened.clear()


def test_an_artifact_is_loaded_and_its_first_calls_are_timed(opened):
    assert opened["load_s"] > 0
    assert set(opened["first_ms"]) == {1, 2} and min(opened["first_ms"].values()) > 0


def test_it_is_warmed_up_streamed_and_asked_for_its_throughput(opened):
    assert worker.LEAST <= ask(do="warm", batch=2, seconds=1)["calls"] <= worker.MOST
    found = ask(do="stream", batch=2, seconds=0.2)
    assert len(found["nanoseconds"]) >= 8
    assert found["valid"] or found["why"]  # a busy machine spreads calls beyond loadgen's rules
    assert found["p50_ns"] >= np.median(found["nanoseconds"])
    assert ask(do="offline", batch=2, seconds=0.1, rate=100)["samples_per_s"] > 0


def test_inputs_differ_from_call_to_call_and_not_from_run_to_run():
    first, again = (worker.make_batch(INPUTS, 2, 0)["image"] for _ in range(2))
    other = worker.make_batch(INPUTS, 2, 1)["image"]
    assert first.shape == (2, 32, 32, 3) and first.dtype == np.float32
    assert (first == again).all() and (first != other).any()
    ids = worker.make_batch([{"name": "ids", "dtype": "int32", "shape": [5]}], 3, 0)["ids"]
    assert ids.shape == (3, 5) and ids.dtype == np.int32


def test_calls_that_get_faster_are_not_steady():
    assert not worker._is_steady([5.0] * 5 + [4.0] * 5)
    assert worker._is_steady([5.0] * 5 + [4.9] * 5)
    assert not worker._is_steady([5.0] * 5)
