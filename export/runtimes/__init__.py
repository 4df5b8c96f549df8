"""Every way to run an artifact; adding one is a file, and a line in RUNTIMES."""

from export.errors import ExportError
from export.formats.base import Format
from export.runtimes.base import Runtime, Session
from export.runtimes.litert import LiteRt
from export.runtimes.native_segment import NativeSegment
from export.runtimes.onnx_on_gpu import CUDA, TENSORRT
from export.runtimes.onnx_runtime import OnnxRuntime
from export.runtimes.openvino import OpenVino
from export.runtimes.tensorflow import TensorFlow
from export.runtimes.tensorrt import TensorRt

# Of those that open the same kind of artifact, the first on a CPU is asked for parity.
RUNTIMES: tuple[Runtime, ...] = (
    TensorFlow(),
    OnnxRuntime(),
    OpenVino(),
    LiteRt(),
    NativeSegment(),
    TensorRt(),
    CUDA,
    TENSORRT,
)

__all__ = ["RUNTIMES", "Runtime", "Session", "engine_runtime", "parity_runtime", "runtimes_of"]


def runtimes_of(format: Format) -> list[Runtime]:
    """Return the runtimes that open artifacts of `format`, those that it brings itself first."""
    return [runtime for runtime in (*format.runtimes, *RUNTIMES) if runtime.kind == format.kind]


def parity_runtime(format: Format) -> Runtime:
    """Return the runtime in which an artifact of `format` is compared with its model.

    Raises ExportError where nothing runs its kind on a CPU.
    """
    for runtime in runtimes_of(format):
        if runtime.device == "cpu":
            return runtime
    raise ExportError(
        f"nothing runs {format.kind} on a CPU, which {format.name} is; add a file to "
        "export/runtimes and a line to its RUNTIMES"
    )


def engine_runtime(format: Format) -> Runtime | None:
    """Return what runs the engine of `format` on a GPU; None for a format that has none."""
    if not format.engine_rule:
        return None
    return next((runtime for runtime in runtimes_of(format) if runtime.device == "gpu"), None)
