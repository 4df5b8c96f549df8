"""ONNX Runtime on a GPU, by CUDA or by TensorRT, to be measured; parity is judged on the CPU."""

from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError
from export.formats.names import ONNX
from export.formats.onnx.reading import MODEL, read_onnx
from export.lazy import need
from export.runtimes.base import Runtime, Session
from export.runtimes.onnx_runtime import start
from export.runtimes.tensorrt import NVIDIA


@dataclass(frozen=True, kw_only=True)
class OnnxOnGpu(Runtime):
    """One execution provider; what it cannot run is an error, and never run by the CPU instead."""

    provider: str
    kind: str = ONNX
    device: str = "gpu"

    def why_not(self) -> str:
        if not NVIDIA.exists():
            return "needs a GPU"
        onnxruntime = need("onnxruntime", to="running ONNX")
        if self.provider in onnxruntime.get_available_providers():
            return ""
        return f"this onnxruntime has no {self.provider}; pip install onnxruntime-gpu instead of it"

    def load(self, folder: Path, threads: int | None) -> Session:
        read_onnx(folder)  # refuses what a network does not need
        try:
            session = start(folder / MODEL, threads, self.provider)
        except Exception as error:  # of types that differ from release to release
            said = " ".join(str(error).split())[:300]
            raise ExportError(f"{self.title} cannot run {folder}: {said}") from error
        ran = session.providers[0]
        if ran != self.provider:  # a library that it needs is missing, which is only logged
            raise ExportError(
                f"onnxruntime fell back from {self.provider} to {ran} for {folder}; install the "
                "CUDA and TensorRT that this onnxruntime was built for"
            )
        return session


CUDA = OnnxOnGpu(
    name="onnxruntime-cuda",
    title="ONNX Runtime on a GPU, by CUDA",
    provider="CUDAExecutionProvider",
)
TENSORRT = OnnxOnGpu(
    name="onnxruntime-tensorrt",
    title="ONNX Runtime on a GPU, by TensorRT",
    provider="TensorrtExecutionProvider",
)
