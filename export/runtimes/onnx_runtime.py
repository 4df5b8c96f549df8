"""ONNX Runtime on the CPU."""

from dataclasses import dataclass
from pathlib import Path

from export.contract import Batch
from export.formats.names import ONNX
from export.formats.onnx.reading import MODEL, read_onnx
from export.lazy import need
from export.runtimes.base import Runtime, Session, check_names
from export.signatures import SIGNATURE

QUIET = 3  # errors alone are logged
CPU = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True)
class OnnxRuntime(Runtime):
    name: str = "onnxruntime"
    title: str = "ONNX Runtime on the CPU"
    kind: str = ONNX
    packages: tuple[str, ...] = ("onnxruntime",)

    def load(self, folder: Path, threads: int | None) -> Session:
        read_onnx(folder)  # refuses what a network does not need
        return start(folder / MODEL, threads)


def start(path: Path, threads: int | None, provider: str = CPU) -> "OnnxSession":
    """Load the ONNX file at `path` as it is, all of it to be run by one execution provider."""
    onnxruntime = need("onnxruntime", to="running ONNX")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if threads:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    return OnnxSession(onnxruntime.InferenceSession(str(path), options, providers=[provider]))


class OnnxSession(Session):
    def __init__(self, session):
        self._session = session
        self.inputs = tuple(tensor.name for tensor in session.get_inputs())
        self.providers: list[str] = session.get_providers()  # those that really run it
        self._outputs = [tensor.name for tensor in session.get_outputs()]

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        check_names(batch, self.inputs)
        return dict(zip(self._outputs, self._session.run(self._outputs, batch), strict=True))

    def close(self) -> None:
        self._session = None
