"""Look at an artifact in a process of its own, and write down what is there.

    python -m export.observe job.json

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
from export.probes import in_batches
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
        (run or run_module)("export.observe", job, scratch)
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
    )


def _tensor(entry: dict) -> Tensor:
    return Tensor(entry["name"], entry["dtype"], tuple(entry["shape"]))


def main(job: dict) -> None:
    images = np.load(job["images"])
    told = {"inputs": [], "outputs": [], "weights": [], "graph": {}, "ran": "", "error": ""}
    told["classify"] = None
    logits = np.zeros((0, 0), np.float32)
    try:
        opened = FORMATS[job["format"]].open(Path(job["folder"]))
        told["inputs"] = [asdict(tensor) for tensor in opened.inputs]
        told["outputs"] = [asdict(tensor) for tensor in opened.outputs]
        told["graph"], told["ran"] = opened.graph, opened.ran
        told["weights"] = [asdict(found) for found in opened.weights()]
        logits = np.asarray(in_batches(images, opened.predict), np.float32)
        told["classify"] = observe_classify(opened, Path(job["folder"], "1"))
    except ExportError as error:
        told["error"] = str(error)
    except Exception as error:  # runtimes raise what they like; an artifact that does not run fails
        told["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
    np.savez(job["result"], told=json.dumps(told), logits=logits)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
