"""Look at an artifact in a process of its own, and write down what is there.

ONNX is looked at without TensorFlow, which keeps memory down.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from export.child import in_a_line
from export.compression.facts import Facts
from export.contract import Batch, Contract, named, prefixed
from export.formats import FORMATS, find_format, layout
from export.formats.base import Format, Found
from export.memory import trim
from export.observe.probes import in_batches
from export.process import Child, child_of, stand_in_for
from export.runtimes import Runtime, parity_runtime
from export.signatures.observed import observe_classify

TENSORFLOW = "tensorflow"
RESIZED = "resized/"  # begins the names of arrays of other lengths


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An artifact as it is: what checks judge."""

    contract: Contract  # as the artifact declares it
    weights: tuple[Found, ...]
    graph: dict
    outputs: Batch  # empty where `error` says why
    ran: str = ""
    error: str = ""  # why the artifact did not open or run
    classify: dict | None = None  # see export/signatures/observed.py
    failed: str = ""  # the step that ended with `error`: open, weights, run or classify
    again: dict | None = None  # see `_look_again`
    resized: Batch = field(default_factory=dict)  # outputs for inputs of other lengths
    resized_error: str = ""  # why there are none


def observer(format: Format, scratch: Path, *, trusted: bool = False) -> Child:
    """Start the process that `observe` asks about artifacts of `format`: it imports meanwhile.

    An artifact that is `trusted`, because this process has just written it, is looked at in this
    process where that takes TensorFlow, which is loaded: another one is 0.4 GB.
    """
    packages = parity_runtime(format).packages
    if trusted and TENSORFLOW in packages and sys.modules.keys() >= set(packages):
        return stand_in_for(__name__)
    return child_of(__name__, scratch, "observe", packages)


def begin(
    child: Child, format_name: str, folder: Path, inputs: Batch, resized: Batch | None = None
) -> None:
    """Have an `observer` open and run the artifact in `folder`; `observe` waits for it."""
    job = {"format": format_name, "folder": str(folder)}
    child.begin(job, {**inputs, **prefixed(resized or {}, RESIZED)})


def observe(
    format_name: str,
    folder: Path,
    inputs: Batch,
    scratch: Path,
    resized: Batch | None = None,
    child: Child | None = None,
) -> Observation:
    """Open and run the artifact in `folder`, in the `observer` that is `child`, or in a new one.

    `resized` are further inputs, of other lengths along free axes. An observer that is busy looks
    at that artifact already.
    """
    own = nullcontext(child) if child else observer(find_format(format_name), scratch)
    with own as asked:
        if not asked.busy:
            begin(asked, format_name, folder, inputs, resized)
        answer, arrays = asked.answer()
    return Observation(
        contract=Contract.from_dict(answer["contract"]),
        weights=tuple(map(_found, answer["weights"])),
        graph=answer["graph"],
        outputs={name: made for name, made in arrays.items() if not name.startswith(RESIZED)},
        resized=named(arrays, RESIZED),
        resized_error=answer["resized_error"],
        ran=answer["ran"],
        error=answer["error"],
        classify=answer["classify"],
        failed=answer["failed"],
        again=answer["again"],
    )


def _found(entry: dict) -> Found:
    facts, scale = Facts(**entry["facts"]) if entry["facts"] else None, tuple(entry["scale"])
    return Found(entry["name"], tuple(entry["shape"]), entry["sha256"], facts, scale=scale)


def work(job: dict, arrays: dict) -> Iterator[tuple[dict, dict]]:
    """Look at the artifact step by step; `failed` is the step that is being made.

    The job names the `format` and the `folder`; `arrays` are the inputs, those of other lengths as
    `resized/<name>`. The answer is an Observation without its outputs, which are arrays.
    """
    answer = {"contract": Contract((), ()).as_dict(), "weights": [], "graph": {}, "ran": ""}
    answer |= {"classify": None, "again": None, "failed": "open", "resized_error": ""}
    resized = named(arrays, RESIZED)
    arrays = {name: values for name, values in arrays.items() if not name.startswith(RESIZED)}
    yield answer, {}
    folder = Path(job["folder"])
    format = FORMATS[job["format"]]
    opened, runtime = format.open(folder), parity_runtime(format)
    answer["contract"] = Contract(opened.inputs, opened.outputs).as_dict()
    answer["graph"], answer["ran"] = opened.graph, runtime.title
    answer["failed"] = "weights"
    with ThreadPoolExecutor(1) as beside:
        loading = None if runtime.loads_twice else beside.submit(runtime.open, folder)
        answer["weights"] = [asdict(found) for found in opened.weights()]
    answer["failed"] = "run"
    with loading.result() if loading else runtime.open(folder) as session:
        outputs = in_batches(arrays, session.predict)
        answer["failed"] = "classify"
        yield answer, outputs
        others, answer["resized_error"] = _run_resized(resized, session)
        yield answer, prefixed(others, RESIZED)
        answer["classify"] = observe_classify(session, folder / layout.VERSION)
    trim()  # what activations took
    if runtime.again is not None:  # after the block, so that no weight is in memory twice
        answer["again"] = _look_again(runtime.again, folder, arrays, outputs)
        trim()
    answer["failed"] = ""
    yield answer, {}


def _run_resized(resized: Batch, session) -> tuple[Batch, str]:
    """Return the outputs for inputs of other lengths; or none, and why."""
    try:
        return (session.predict(resized) if resized else {}), ""
    except Exception as error:  # runtimes raise what they like
        return {}, in_a_line(error)


def _look_again(runtime: Runtime, folder: Path, inputs: Batch, outputs: Batch) -> dict:
    """Load the artifact in another way; return how far its outputs are off, and its `classify`.

    `worst` is in standard deviations of an output; `error` says why it did not run.
    """
    try:
        with runtime.open(folder) as session:
            others = in_batches(inputs, session.predict)
            classify = observe_classify(session, folder / layout.VERSION)
        worst = max(_off(others[name], values) for name, values in outputs.items())
        return {"worst": worst, "classify": classify, "error": ""}
    except Exception as error:  # runtimes raise what they like
        return {"worst": None, "classify": None, "error": in_a_line(error)}


def _off(other: np.ndarray, values: np.ndarray) -> float:
    if values.dtype.kind != "f":
        return float((other != values).mean())
    return float(np.abs(other - values).max()) / (float(values.std()) or 1.0)
