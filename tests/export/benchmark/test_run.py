from pathlib import Path

import pytest

from export.benchmark.run import Method, benchmark
from export.benchmark.subjects import Subject, subjects_of
from export.errors import ArtifactError
from export.progress import silent

pytest.importorskip("mlperf_loadgen", reason="comes with pip install '.[benchmark]'")
METHOD = Method(batches=(1, 2), rounds=2, seconds=0.1, threads=1)


def test_an_artifact_has_a_record_for_each_runtime_and_batch(export_toy, tmp_path):
    folder = export_toy("plain", "onnx").folder
    found = list(benchmark(subjects_of(Path(folder)), METHOD, tmp_path, silent))
    gpu = [record for record in found if record["device"] == "gpu"]
    assert {record["runtime"] for record in gpu} == {"onnxruntime-cuda", "onnxruntime-tensorrt"}
    records = [record for record in found if record["device"] == "cpu"]
    assert [(r["runtime"], r["batch"]) for r in records] == [("onnxruntime", 1), ("onnxruntime", 2)]
    for record in records:
        assert record["median_ms"] > 0 and record["load_s"] > 0 and record["first_ms"] > 0
        assert record["p90_ms"] >= record["median_ms"]
        assert record["ratio"] == 1.0 and record["threads"] == 1
        assert record["peak_rss_bytes"] > 1e7
    assert list(tmp_path.iterdir()) == []


def subject(**more):
    known = {"artifact": "", "model": "m", "format": "onnx", "runtime": "r", "device": "cpu"}
    return Subject(**{**known, **more})


def test_what_does_not_run_here_says_why_and_is_never_timed(tmp_path):
    found = list(benchmark([subject(why_not="needs a GPU")], METHOD, tmp_path, silent))
    assert [(r["median_ms"], r["valid"], r["why"]) for r in found] == [
        (None, False, "needs a GPU")
    ] * 2


def test_what_does_not_open_says_why_and_the_others_are_measured(export_toy, tmp_path):
    good = subjects_of(Path(export_toy("plain", "onnx").folder))
    gone = {**good[0].opening, "folder": str(tmp_path / "none")}
    bad = subject(model=good[0].model, runtime="gone", opening=gone)
    first, *_, last = benchmark([bad, *good[:1]], METHOD, tmp_path, silent)
    assert "has no model.onnx" in first["why"] and first["median_ms"] is None
    assert last["median_ms"] > 0 and last["ratio"] == 1.0


def test_a_folder_without_an_artifact_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"has no report\.json"):
        subjects_of(tmp_path)
