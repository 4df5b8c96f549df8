"""Look at an artifact in a process of its own, and write down what is there.

ONNX is looked at without TensorFlow, which keeps memory down.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export.child import in_a_line
from export.compression.facts import Facts
from export.formats import FORMATS, layout
from export.formats.base import Found, Tensor
from export.observe.probes import in_batches
from export.process import ask
from export.runtimes import Runtime, Session, parity_runtime
from export.signatures.observed import observe_classify


@dataclass(frozen=True, kw_only=True)
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


def observe(format_name: str, folder: Path, images: np.ndarray, scratch: Path) -> Observation:
    """Open and run the artifact in `folder`, in a child process, which ends with its memory."""
    job = {"format": format_name, "folder": str(folder)}
    answer, arrays = ask(__name__, job, {"images": images}, scratch, "observe")
    return Observation(
        inputs=tuple(map(_tensor, answer["inputs"])),
        outputs=tuple(map(_tensor, answer["outputs"])),
        weights=tuple(map(_found, answer["weights"])),
        graph=answer["graph"],
        logits=arrays.get("logits", np.zeros((0, 0), np.float32)),
        ran=answer["ran"],
        error=answer["error"],
        classify=answer["classify"],
        failed=answer["failed"],
        again=answer["again"],
    )


def _tensor(entry: dict) -> Tensor:
    return Tensor(entry["name"], entry["dtype"], tuple(entry["shape"]))


def _found(entry: dict) -> Found:
    facts, scale = Facts(**entry["facts"]) if entry["facts"] else None, tuple(entry["scale"])
    return Found(entry["name"], tuple(entry["shape"]), entry["sha256"], facts, scale=scale)


def work(job: dict, arrays: dict) -> Iterator[tuple[dict, dict]]:
    """Look at the artifact step by step; `failed` is the step that is being made.

    The job names the `format` and the `folder`; `arrays` has the `images`. The answer is an
    Observation without `logits`, which are an array.
    """
    answer = {"inputs": [], "outputs": [], "weights": [], "graph": {}, "ran": ""}
    answer |= {"classify": None, "again": None, "failed": "open"}
    yield answer, {}
    images, folder = arrays["images"], Path(job["folder"])
    format = FORMATS[job["format"]]
    opened, runtime = format.open(folder), parity_runtime(format)
    answer["inputs"] = [asdict(tensor) for tensor in opened.inputs]
    answer["outputs"] = [asdict(tensor) for tensor in opened.outputs]
    answer["graph"], answer["ran"] = opened.graph, runtime.title
    answer["failed"] = "weights"
    answer["weights"] = [asdict(found) for found in opened.weights()]
    answer["failed"] = "run"
    with runtime.open(folder) as session:
        logits = _logits(session, images)
        answer["failed"] = "classify"
        yield answer, {"logits": logits}
        answer["classify"] = observe_classify(session, folder / layout.VERSION)
    if runtime.again is not None:  # after the block, so that no weight is in memory twice
        answer["again"] = _look_again(runtime.again, folder, images, logits)
    answer["failed"] = ""
    yield answer, {}


def _logits(session: Session, images: np.ndarray) -> np.ndarray:
    return np.asarray(
        in_batches(images, lambda batch: session.predict({"image": batch})["logits"]), np.float32
    )


def _look_again(runtime: Runtime, folder: Path, images: np.ndarray, logits: np.ndarray) -> dict:
    """Load the artifact in another way; return how far its logits are off, and its `classify`.

    `worst` is in standard deviations of `logits`; `error` says why it did not run.
    """
    try:
        with runtime.open(folder) as session:
            other = _logits(session, images)
            classify = observe_classify(session, folder / layout.VERSION)
        worst = float(np.abs(other - logits).max()) / (float(logits.std()) or 1.0)
        return {"worst": worst, "classify": classify, "error": ""}
    except Exception as error:  # runtimes raise what they like
        return {"worst": None, "classify": None, "error": in_a_line(error)}
