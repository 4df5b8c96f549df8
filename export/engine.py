"""Ask the TensorRT engine itself, on a machine with a GPU."""

from pathlib import Path

import numpy as np

from export.checks.base import EngineRun
from export.errors import ExportError
from export.lanes import run_in_lane

NVIDIA = Path("/proc/driver/nvidia/version")  # there whenever the driver is


def run_engine(format, folder: Path, images: np.ndarray, scratch: Path) -> EngineRun:
    """Load the artifact in the lane, on the GPU, and run `images` through its engine.

    Where there is no GPU, or the engine does not come up, the logits are None and `why` says so.
    """
    if not NVIDIA.exists():
        return EngineRun(None, "needs a GPU; run tools/verify.py on a machine that has one")
    given, result = scratch / "engine_images.npy", scratch / "engine_logits.npy"
    np.save(given, images)
    job = {"model": str(folder / "1"), "images": str(given), "logits": str(result)}
    try:
        run_in_lane(format.lane, "tftrt_run.py", job, scratch)
    except ExportError as error:
        return EngineRun(None, f"the engine did not run: {error}")
    return EngineRun(np.load(result))
