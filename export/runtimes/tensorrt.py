"""The TensorRT engine of a TF-TRT artifact, on a GPU, under the TensorFlow of the lane tf217."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from export.contract import Batch
from export.formats import layout
from export.formats.names import TFTRT
from export.lanes import child_in_lane
from export.process import ChildFailed
from export.runtimes.base import Runtime, Session
from export.signatures import SIGNATURE

NVIDIA = Path("/proc/driver/nvidia/version")  # there whenever the driver is
LANE, SCRIPT = "tf217", "run.py"


@dataclass(frozen=True, kw_only=True)
class TensorRt(Runtime):
    name: str = "tensorrt"
    title: str = "TensorRT in TensorFlow 2.17 on a GPU"
    kind: str = TFTRT
    device: str = "gpu"
    untimed: str = "answers through files, slower than it runs; see tools/measure_tftrt_warmup.py"

    def why_not(self) -> str:
        if NVIDIA.exists():
            return ""
        return "needs a GPU; run tools/verify.py on a machine that has one"

    def load(self, folder: Path, threads: int | None) -> Session:
        return EngineSession(folder / layout.VERSION, threads)


class EngineSession(Session):
    """A process in the lane that keeps the artifact and the engines that TensorFlow builds of it.

    An engine is built, which takes minutes, when the first batch of a size is run.
    """

    def __init__(self, version: Path, threads: int | None):
        self._job = {"model": str(version), "threads": threads}
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="keras-nets-")))
            self._child = stack.enter_context(child_in_lane(LANE, SCRIPT, scratch, about="engine"))
            self._stack = stack.pop_all()

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        """Run one batch, as any session does; raise ChildFailed if the engine does not run."""
        answer, made = self._child.ask(self._job, batch)
        if why := answer.get("missing") or answer["error"]:
            raise ChildFailed(f"the engine did not run: {why}")
        return made

    def measure(self, batch: Batch, sizes: Sequence[int]) -> tuple[dict, Batch]:
        """Run all of `batch` in batches of each of `sizes`; see export/lanes/tf217/run.py."""
        return self._child.ask({**self._job, "sizes": list(sizes)}, batch)

    def close(self) -> None:
        self._stack.close()
