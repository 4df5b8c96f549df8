"""Look at an artifact in a process of its own, and write down what is there.

    python -m export.observe.artifact job.json

The job names the `format`, the `folder` of the artifact, the `images` (.npy) and the `result`
(.npz). ONNX is looked at without TensorFlow, which keeps memory down.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.formats import FORMATS
from export.formats.base import Found, Tensor
from export.observe.probes import in_batches
from export.process import run_module
from export.signatures.observed import observe_classify


@dataclass(frozen=True)
class Observation:
    """An artifact as it is: what checks judge."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: tuple[Found, ...]
    graph: dict
    logits: np.ndarray  # (n, classes); empty where `error` says why
    ran: str = ""
    error: str = ""  # why the artifact did not open or run
    classify: dict | None = None  # see export/signatures/observed.py
    failed: str = ""  # the step that ended with `error`: open, weights, run or classify
    again: dict | None = None  # see `_look_again`


def in_this_process(_module: str, job: dict, _scratch: Path) -> None:
    """For callers that look at many small artifacts, and can spare the memory."""
    main(job)


def observe(
    format_name: str, folder: Path, images: np.ndarray, scratch: Path, run=None
) -> Observation:
    """Open and run the artifact in `folder`, in a child process, which ends with its memory.

    `run` is another way to have it done, such as `in_this_process`.
    """
    job = {
        "format": format_name,
        "folder": str(folder),
        "images": str(scratch / "images.npy"),
        "result": str(scratch / "observed.npz"),
    }
    np.save(job["images"], images)
    try:
        (run or run_module)("export.observe.artifact", job, scratch)
    finally:
        Path(job["images"]).unlink(missing_ok=True)
    result = Path(job["result"])
    with np.load(result) as archive:
        told, logits = json.loads(str(archive["told"])), archive["logits"]
    result.unlink()
    return Observation(
        tuple(_tensor(t) for t in told["inputs"]),
        tuple(_tensor(t) for t in told["outputs"]),
        tuple(Found(f["name"], tuple(f["shape"]), f["sha256"]) for f in told["weights"]),
        told["graph"],
        logits,
        told["ran"],
        told["error"],
        told["classify"],
        told["failed"],
        told["again"],
    )


def _tensor(entry: dict) -> Tensor:
    return Tensor(entry["name"], entry["dtype"], tuple(entry["shape"]))


def main(job: dict) -> None:
    told = {"inputs": [], "outputs": [], "weights": [], "graph": {}, "ran": "", "error": ""}
    told |= {"classify": None, "failed": "", "again": None}
    arrays = {"logits": np.zeros((0, 0), np.float32)}
    try:
        _look(job, told, arrays)
    except ExportError as error:
        told["error"] = str(error)
    except Exception as error:  # runtimes raise what they like; an artifact that does not run fails
        told["error"] = _line(error)
    if not told["error"]:
        told["failed"] = ""
    np.savez(job["result"], told=json.dumps(told), **arrays)


def _look(job: dict, told: dict, arrays: dict) -> None:
    """Fill `told` and `arrays` step by step; `failed` is the step that is being made."""
    images, folder = np.load(job["images"]), Path(job["folder"])
    told["failed"] = "open"
    opened = FORMATS[job["format"]].open(folder)
    told["inputs"] = [asdict(tensor) for tensor in opened.inputs]
    told["outputs"] = [asdict(tensor) for tensor in opened.outputs]
    told["graph"], told["ran"] = opened.graph, opened.ran
    told["failed"] = "weights"
    told["weights"] = [asdict(found) for found in opened.weights()]
    told["failed"] = "run"
    arrays["logits"] = np.asarray(in_batches(images, opened.predict), np.float32)
    told["failed"] = "classify"
    told["classify"] = observe_classify(opened, folder / "1")
    if opened.again is not None:
        told["again"] = _look_again(opened, folder / "1", images, arrays["logits"])


def _look_again(opened, version: Path, images: np.ndarray, logits: np.ndarray) -> dict:
    """The same artifact loaded in another way: how far its logits are off, and its `classify`.

    `worst` is in standard deviations of `logits`; `error` says why it did not run.
    """
    try:
        loaded = opened.again()
        other = np.asarray(in_batches(images, loaded.predict), np.float32)
        worst = float(np.abs(other - logits).max()) / (float(logits.std()) or 1.0)
        return {"worst": worst, "classify": observe_classify(loaded, version), "error": ""}
    except Exception as error:  # as above
        return {"worst": None, "classify": None, "error": _line(error)}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
