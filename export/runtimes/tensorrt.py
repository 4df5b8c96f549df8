"""The TensorRT engine of a TF-TRT artifact, on a GPU, under the TensorFlow of the lane tf217."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.formats import layout
from export.formats.names import TFTRT
from export.lanes import ask_in_lane
from export.process import ChildFailed
from export.runtimes.base import Batch, Runtime, Session
from export.signatures import SIGNATURE

NVIDIA = Path("/proc/driver/nvidia/version")  # there whenever the driver is
LANE, SCRIPT = "tf217", "run.py"


@dataclass(frozen=True, kw_only=True)
class TensorRt(Runtime):
    name: str = "tensorrt"
    title: str = "TensorRT in TensorFlow 2.17 on a GPU"
    kind: str = TFTRT
    device: str = "gpu"
    untimed: str = "loads the engine anew for each call; tools/measure_tftrt_warmup.py times it"

    def why_not(self) -> str:
        if NVIDIA.exists():
            return ""
        return "needs a GPU; run tools/verify.py on a machine that has one"

    def load(self, folder: Path, threads: int | None) -> Session:
        return EngineSession(folder / layout.VERSION, threads)


class EngineSession(Session):
    """Every call is a process of its own in the lane, which loads the artifact and builds engines.

    To call it again and again is slow, therefore; `measure` runs many batches in one process.
    """

    def __init__(self, version: Path, threads: int | None):
        self._version, self._threads = version, threads

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        """As of any session; raises MissingLane, or ChildFailed if the engine does not run."""
        (size,) = {len(values) for values in batch.values()}
        with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
            answer, arrays = self.measure(batch, [size], Path(scratch))
        why = answer.get("missing") or answer["error"]
        if why:
            raise ChildFailed(f"the engine did not run: {why}")
        return {name.partition("/")[2]: values for name, values in arrays.items()}

    def measure(self, batch: Batch, sizes: Sequence[int], scratch: Path) -> tuple[dict, Batch]:
        """Run all of `batch` in batches of each of `sizes`; see export/lanes/tf217/run.py."""
        job = {"model": str(self._version), "sizes": list(sizes), "threads": self._threads}
        return ask_in_lane(LANE, SCRIPT, job, batch, scratch, about="engine")

    def close(self) -> None:
        """Nothing is kept between calls."""
