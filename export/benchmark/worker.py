"""The side of a benchmark that runs an artifact: one process for each runtime, asked in turns.

`work` answers a job by what it says to `do`:

- `open` the artifact in `folder`, of a `format`, with the runtime called `runtime`; or the Keras
  model that a `builder` makes. It gets `threads`, and the processors in `pin`: `load_s`, and
  `first_ms` of the first batch of each of `batches`, whose `inputs` are made here.
- `warm` up on batches of `batch` until it is steady: `calls`.
- `stream` for `seconds` in batches of `batch`: `nanoseconds` of each call, `device_ms` of each
  where the runtime reads a GPU's events, and what loadgen says.
- `loop` for `seconds` without loadgen: `nanoseconds` of each call.
- `offline` for `seconds` in batches of `batch` at `rate` samples a second: `samples_per_s`.

Each answer has `cpu_s`, what this process took since it began, its `peak_rss_bytes` and `pid`.
"""

import os
import resource
import time
from pathlib import Path

import numpy as np

from export.benchmark import loadgen
from export.formats import find_format
from export.runtimes import runtimes_of
from export.runtimes.tensorflow import take_threads

SEED, SETS = 0, 2  # of inputs, which are taken in turn: no runtime may keep an answer
LEAST, MOST = 3, 200  # calls of a warm-up
STEADY = 0.05  # by which the medians of the last calls and of those before may differ
WINDOW = 5  # calls that a median is taken of


class Session:
    """An opened artifact and the inputs that it is run on."""

    def __init__(self, job: dict):
        if job["pin"]:
            os.sched_setaffinity(0, job["pin"])
        started = time.perf_counter()
        self.session = _session(job)
        self.load_s = time.perf_counter() - started
        self.turn = 0
        self.inputs = {
            batch: [make_batch(job["inputs"], batch, SEED + number) for number in range(SETS)]
            for batch in job["batches"]
        }

    def call(self, batch: int) -> None:
        self.turn += 1
        self.session.predict(self.inputs[batch][self.turn % SETS])

    def timed(self, batch: int) -> float:
        """Milliseconds of one call."""
        started = time.perf_counter_ns()
        self.call(batch)
        return (time.perf_counter_ns() - started) / 1e6


def _session(job: dict):
    if "torch" in job:
        from export.benchmark.torch_session import open_torch

        return open_torch(job["torch"], job["classes"], tuple(job["on"]), job["threads"])
    if "way" in job:
        from export.benchmark.keras_session import open_keras

        if job["threads"]:
            take_threads(job["threads"])
        return open_keras(job["builder"], job["arguments"], job["way"])
    if "stock" in job:
        from export.benchmark.stock import open_stock

        return open_stock(job["stock"], Path(job["folder"]), job["threads"])
    runtimes = {runtime.name: runtime for runtime in runtimes_of(find_format(job["format"]))}
    return runtimes[job["runtime"]].open(Path(job["folder"]), threads=job["threads"])


def make_batch(inputs: list[dict], batch: int, seed: int) -> dict[str, np.ndarray]:
    """Seeded values for each input: its `name`, its `dtype` and the `shape` of one example."""
    draw, made = np.random.default_rng(seed), {}
    for entry in inputs:
        shape, dtype = (batch, *entry["shape"]), np.dtype(entry["dtype"])
        if dtype.kind == "f":
            made[entry["name"]] = draw.standard_normal(shape).astype(dtype)
        else:
            made[entry["name"]] = draw.integers(0, 2, shape).astype(dtype)
    return made


_opened: list[Session] = []  # the one that jobs after `open` are about


def work(job: dict, _arrays: dict) -> tuple[dict, dict]:
    answer = DOES[job["do"]](job)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    common = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_rss_bytes": usage.ru_maxrss * 1024}
    return {**answer, **common, "pid": os.getpid()}, {}


def _open(job: dict) -> dict:
    session = Session(job)
    _opened[:] = [session]
    first = {batch: session.timed(batch) for batch in job["batches"]}
    return {"load_s": session.load_s, "first_ms": first}


def _warm(job: dict) -> dict:
    (session,) = _opened
    taken: list[float] = []
    while len(taken) < MOST and not _is_steady(taken):
        taken.append(session.timed(job["batch"]))
        if sum(taken) > 1000 * job["seconds"] and len(taken) >= LEAST:
            break
    return {"calls": len(taken)}


def _is_steady(taken: list[float]) -> bool:
    """Whether the last calls are as fast as those before them."""
    if len(taken) < 2 * WINDOW:
        return False
    before, last = (
        float(np.median(part)) for part in (taken[-2 * WINDOW : -WINDOW], taken[-WINDOW:])
    )
    return abs(last - before) <= STEADY * before


def _stream(job: dict) -> dict:
    (session,) = _opened
    timed = getattr(session.session, "device_ms", [])
    timed.clear()
    found = loadgen.stream(lambda: session.call(job["batch"]), job["seconds"])
    return {
        "device_ms": list(timed),
        "nanoseconds": list(found.nanoseconds),
        "valid": found.valid,
        "why": found.why,
        "p50_ns": found.p50_ns,
    }


def _loop(job: dict) -> dict:
    """The bare loop that loadgen is held against."""
    (session,) = _opened
    taken, end = [], time.perf_counter() + job["seconds"]
    while len(taken) < loadgen.FEWEST or time.perf_counter() < end:
        started = time.perf_counter_ns()
        session.call(job["batch"])
        taken.append(time.perf_counter_ns() - started)
    return {"nanoseconds": taken}


def _offline(job: dict) -> dict:
    (session,) = _opened
    batch = job["batch"]
    found = loadgen.offline(lambda: session.call(batch), batch, job["seconds"], job["rate"])
    return {"samples_per_s": found.samples_per_s, "valid": found.valid, "why": found.why}


DOES = {"open": _open, "warm": _warm, "stream": _stream, "loop": _loop, "offline": _offline}
