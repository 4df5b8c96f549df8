"""Ask the TensorRT engine itself, on a machine with a GPU."""

import math
from dataclasses import dataclass
from pathlib import Path

from export.contract import Batch, named
from export.errors import MissingLane
from export.process import ChildFailed
from export.runtimes import engine_runtime


@dataclass(frozen=True, kw_only=True)
class Batches:
    """What the engine gave in batches of one size, and what TensorFlow had built by then."""

    size: int
    outputs: Batch  # whole batches, of the probes again and again
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


def run_engine(format, folder: Path, inputs: Batch, sizes: tuple[int, ...]) -> EngineRun:
    """Load the artifact in the lane, on the GPU, and run `inputs` in batches of each of `sizes`.

    They run in the order of `sizes`. An ascending one builds an engine for each size; in a
    descending one an engine may serve smaller batches too. Never raises for an engine that does not
    run: the answer says why.
    """
    runtime = engine_runtime(format)
    if why := runtime.why_not():
        return EngineRun(unable=why)
    try:
        with runtime.open(folder) as session:
            answer, arrays = session.measure(inputs, sizes)
    except MissingLane as error:
        return EngineRun(unable=f"the engine could not be asked: {error}")
    except ChildFailed as error:
        if error.answer is None:  # it is kept once the GPU and the libraries are there
            return EngineRun(unable=f"the engine could not be asked: {error}")
        return EngineRun(failed=f"{_at(error.answer)}: {error}")
    return _read(answer, arrays)


def _read(answer: dict, arrays: dict) -> EngineRun:
    """Read the script's answer; see export/lanes/tf217/run.py."""
    if "missing" in answer:
        return EngineRun(unable=answer["missing"])
    batches = tuple(
        Batches(
            size=run["size"],
            outputs=named(arrays, f"{run['size']}/"),
            engines=run["engines"],
            seconds=run["seconds"],
            later=run["later"],
        )
        for run in answer["runs"]
    )
    failed = f"{_at(answer)}: {answer['error']}" if answer["error"] else ""
    return EngineRun(batches=batches, failed=failed, uncounted=answer.get("uncounted", ""))


def _at(answer: dict) -> str:
    return f"it failed in batches of {answer['at']}" if "at" in answer else "it did not load"
