"""Ask the TensorRT engine itself, on a machine with a GPU."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.errors import MissingLane
from export.lanes import run_in_lane
from export.process import ChildFailed

NVIDIA = Path("/proc/driver/nvidia/version")  # there whenever the driver is


@dataclass(frozen=True)
class Batches:
    """What the engine gave in batches of one size, and what TensorFlow had built by then."""

    size: int
    logits: np.ndarray  # (rows, classes); whole batches, of the probes again and again
    engines: dict[str, list[int]]  # of each TRTEngineOp: the batch sizes of engines in the cache
    seconds: float  # of the first call, which builds an engine where none fits
    later: float = math.nan  # of the fastest of the calls after it


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """What the engine itself did on a GPU, a batch size at a time."""

    batches: tuple[Batches, ...] = ()  # in the order in which they ran
    unable: str = ""  # why it could not be asked on this machine
    failed: str = ""  # how it failed, where there was a GPU to run it
    uncounted: str = ""  # why it is not known how many engines were built


def run_engine(
    format, folder: Path, images: np.ndarray, sizes: tuple[int, ...], scratch: Path
) -> EngineRun:
    """Load the artifact in the lane, on the GPU, and run `images` in batches of each of `sizes`.

    They run in the order of `sizes`. An ascending one builds an engine for each size; in a
    descending one an engine may serve smaller batches too. Never raises for an engine that does not
    run: the answer says why.
    """
    if not NVIDIA.exists():
        return EngineRun(unable="needs a GPU; run tools/verify.py on a machine that has one")
    given, answer, logits = (
        scratch / f"engine_{name}" for name in ("images.npy", "answer", "runs")
    )
    np.save(given, images)
    answer.unlink(missing_ok=True)
    logits.mkdir(exist_ok=True)
    job = {
        "model": str(folder / "1"),
        "images": str(given),
        "sizes": list(sizes),
        "logits": str(logits),
        "answer": str(answer),
    }
    try:
        run_in_lane(format.lane, "tftrt_run.py", job, scratch)
    except MissingLane as error:
        return EngineRun(unable=f"the engine could not be asked: {error}")
    except ChildFailed as error:
        if not answer.exists():  # it is written once the GPU and the libraries are there
            return EngineRun(unable=f"the engine could not be asked: {error}")
        at = json.loads(answer.read_text()).get("at")
        return EngineRun(failed=f"{_at(at)}: {error}")
    return _read(json.loads(answer.read_text()), logits)


def _read(answer: dict, logits: Path) -> EngineRun:
    """The script's answer; see export/lanes/tftrt_run.py."""
    if "missing" in answer:
        return EngineRun(unable=answer["missing"])
    batches = tuple(
        Batches(
            run["size"],
            np.load(logits / f"batch_{run['size']}.npy"),
            run["engines"],
            run["seconds"],
            run["later"],
        )
        for run in answer["runs"]
    )
    failed = f"{_at(answer.get('at'))}: {answer['failed']}" if "failed" in answer else ""
    return EngineRun(batches=batches, failed=failed, uncounted=answer.get("uncounted", ""))


def _at(size: int | None) -> str:
    return "it did not load" if size is None else f"it failed in batches of {size}"
