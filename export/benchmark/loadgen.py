"""MLPerf's load generator around a function: what it measured, and whether it finds that valid.

SingleStream sends a query when the one before it is answered, so it measures latency; Offline hands
all samples over at once, so it measures throughput. See mlcommons' inference rules.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.lazy import need

SAMPLES = 64  # in the library of samples; which of them a query names is nothing to us
FEWEST = 3  # queries, however long each takes; more would make slow networks take hours
DETAIL, LINE = "mlperf_log_detail.txt", ":::MLLOG "


@dataclass(frozen=True)
class Stream:
    """Latencies of one call after another."""

    nanoseconds: tuple[int, ...]  # of each call, in order
    valid: bool  # whether its rules hold, such as calls enough for a 90th percentile
    why: str  # in loadgen's words, where they do not
    p50_ns: int  # as loadgen measured it, its own overhead included


@dataclass(frozen=True)
class Offline:
    samples_per_s: float
    valid: bool
    why: str


def stream(call: Callable[[], object], seconds: float) -> Stream:
    """Call `call` again and again for `seconds`, under the scenario SingleStream."""
    taken: list[int] = []

    def answer(queries, loadgen):
        for query in queries:
            started = time.perf_counter_ns()
            call()
            taken.append(time.perf_counter_ns() - started)
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, 0, 0)])

    found = _run(answer, "SingleStream", seconds)
    return Stream(
        nanoseconds=tuple(taken),
        valid=found["result_validity"] == "VALID",
        why="" if found["result_validity"] == "VALID" else _why(found),
        p50_ns=int(found["result_50.00_percentile_latency_ns"]),
    )


def offline(call: Callable[[], object], batch: int, seconds: float, rate: float) -> Offline:
    """Answer `rate` x `seconds` samples, `batch` in a call, under the scenario Offline.

    `rate` is the samples a second that are expected; loadgen finds the run invalid where it is so
    low that the run ends early.
    """

    def answer(queries, loadgen):
        for start in range(0, len(queries), batch):
            call()
            done = queries[start : start + batch]
            loadgen.QuerySamplesComplete(
                [loadgen.QuerySampleResponse(query.id, 0, 0) for query in done]
            )

    found = _run(answer, "Offline", seconds, offline_expected_qps=rate)
    return Offline(
        samples_per_s=float(found["result_samples_per_second"]),
        valid=found["result_validity"] == "VALID",
        why=_why(found),
    )


def _run(answer: Callable, scenario: str, seconds: float, **settings) -> dict:
    """Run a test and return the results of its detailed log, by key."""
    loadgen = need("mlperf_loadgen", to="measuring latency")
    test = loadgen.TestSettings()
    test.scenario = getattr(loadgen.TestScenario, scenario)
    test.mode = loadgen.TestMode.PerformanceOnly
    test.min_duration_ms, test.min_query_count = int(1000 * seconds), FEWEST
    for name, value in settings.items():
        setattr(test, name, value)
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as folder:
        log = loadgen.LogSettings()
        log.log_output.outdir = folder
        log.log_output.copy_summary_to_stdout = False
        log.enable_trace = False
        tested = loadgen.ConstructSUT(lambda queries: answer(queries, loadgen), lambda: None)
        samples = loadgen.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
        try:
            loadgen.StartTestWithLogSettings(tested, samples, test, log, "")
        finally:
            loadgen.DestroyQSL(samples)
            loadgen.DestroySUT(tested)
        return _results(Path(folder, DETAIL))


def _results(path: Path) -> dict:
    lines = (line for line in path.read_text().splitlines() if line.startswith(LINE))
    entries = (json.loads(line.removeprefix(LINE)) for line in lines)
    return {entry["key"]: entry["value"] for entry in entries}


def _why(found: dict) -> str:
    said = found.get("result_invalid_reason") or found.get("early_stopping_result") or ""
    return " ".join(str(said).replace("*", " ").split())
