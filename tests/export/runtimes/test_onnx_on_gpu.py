"""ONNX Runtime on a GPU: it runs there, or it says why not, and never on the CPU instead."""

from types import SimpleNamespace

import pytest

from export.errors import ExportError
from export.formats import find_format
from export.runtimes import engine_runtime, onnx_on_gpu, parity_runtime, runtimes_of
from export.runtimes.onnx_on_gpu import CUDA, TENSORRT


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with NVIDIA's driver."""
    monkeypatch.setattr(onnx_on_gpu, "NVIDIA", tmp_path)


def test_a_machine_without_a_gpu_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_on_gpu, "NVIDIA", tmp_path / "none")
    assert CUDA.why_not() == TENSORRT.why_not() == "needs a GPU"


def test_an_onnxruntime_that_was_built_without_the_provider_says_what_to_install(
    driver, monkeypatch
):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "no CUDAExecutionProvider; pip install onnxruntime-gpu" in CUDA.why_not()
    everything = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    assert CUDA.why_not() == TENSORRT.why_not() == ""


def test_a_fall_back_to_the_cpu_is_an_error(written, monkeypatch):
    session = SimpleNamespace(providers=["CPUExecutionProvider"])
    monkeypatch.setattr(onnx_on_gpu, "start", lambda path, threads, provider: session)
    with pytest.raises(ExportError, match="fell back from TensorrtExecutionProvider to CPUEx"):
        TENSORRT.load(written("plain", "onnx"), None)


def test_what_the_provider_cannot_run_is_one_line(written, monkeypatch):
    def refuse(path, threads, provider):
        raise RuntimeError(
            "This session contains graph nodes that are assigned\nto the default CPU"
        )

    monkeypatch.setattr(onnx_on_gpu, "start", refuse)
    with pytest.raises(ExportError, match="by CUDA cannot run .*: This session contains graph nod"):
        CUDA.load(written("plain", "onnx"), None)


def test_they_are_measured_and_judge_nothing():
    onnx = find_format("onnx")
    assert {CUDA, TENSORRT} <= set(runtimes_of(onnx))
    assert engine_runtime(onnx) is None and parity_runtime(onnx).device == "cpu"
