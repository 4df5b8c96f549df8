"""Rounds in which every runtime has its turn, so that what slows the machine slows all alike."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np

from export.benchmark.figures import percentile, unstable
from export.benchmark.gpu import Seen, watch
from export.benchmark.machine import BUSY, OtherLoad
from export.benchmark.power import Meter
from export.errors import ExportError
from export.progress import Progress

OFFLINE_MARGIN = 1.3  # times the expected rate: loadgen wants more samples than fit the time


@dataclass(kw_only=True)
class Runner:
    """One artifact in one runtime; `ask` hands a job to the process that runs it."""

    name: str
    ask: Callable[[dict], dict]
    load_s: float
    first_ms: dict[int, float]  # batch -> milliseconds of its first call
    device: str = "cpu"
    pid: int = 0  # of the process that runs it
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    died: str = ""

    def do(self, **job) -> dict | None:
        """The answer, or None where the process died or could not; `died` says why."""
        if self.died:
            return None
        try:
            answer = self.ask(job)
        except ExportError as error:
            answer = {"error": str(error)}
        if answer["error"]:
            self.died = answer["error"]
            return None
        self.cpu_s, self.peak_rss_bytes = answer["cpu_s"], answer["peak_rss_bytes"]
        return answer


@dataclass(kw_only=True)
class Taken:
    """What the rounds of one runner at one batch size gave."""

    medians: list[float] = field(default_factory=list)  # milliseconds, one a round
    latencies: list[float] = field(default_factory=list)  # milliseconds, of all calls
    loadgen: list[str] = field(default_factory=list)  # its verdict of each round
    images_per_s: float = math.nan
    busy: float = 0.0  # the largest share of the processors that others took
    throttled: bool = False
    joules: list[float] = field(default_factory=list)  # of an image, one a round; empty: not told
    loadgen_ms: list[float] = field(default_factory=list)  # its own medians, one a round
    pairs: list[tuple[float, float]] = field(default_factory=list)  # and those of a bare loop
    gpu: Seen | None = None  # in all rounds
    device_ms: list[float] = field(default_factory=list)  # of a GPU alone, where events are read
    images: int = 0  # of all rounds


def run_rounds(
    runners: list[Runner],
    batch: int,
    rounds: int,
    seconds: float,
    progress: Progress,
    loop: bool = False,
) -> dict[str, Taken]:
    """Measure every runner `rounds` times in turns of `seconds` each; runner's name -> figures.

    With `loop` each turn has a bare loop of as many seconds beside it.
    """
    found = {runner.name: Taken() for runner in runners}
    for runner in runners:
        progress(runner.name, f"warming up at batch {batch}")
        runner.do(do="warm", batch=batch, seconds=seconds)
    for number in range(rounds):
        order = runners if number % 2 == 0 else runners[::-1]  # nobody is always first
        for runner in order:
            progress(runner.name, f"batch {batch}, round {number + 1} of {rounds}")
            first = _loop(runner, batch, seconds) if loop and number % 2 else None
            _take_turn(runner, found[runner.name], batch, seconds)
            if loop:
                _pair(found[runner.name], first or _loop(runner, batch, seconds))
    for runner in runners:
        progress(runner.name, f"batch {batch}, throughput")
        _take_offline(runner, found[runner.name], batch, seconds)
    return found


def _take_turn(runner: Runner, taken: Taken, batch: int, seconds: float) -> None:
    others, before, meter = OtherLoad(), runner.cpu_s, Meter()
    with watch(runner.device, runner.pid) as seen:
        answer = runner.do(do="stream", batch=batch, seconds=seconds)
    if answer is None:
        return
    if seen:
        taken.gpu = taken.gpu.join(seen) if taken.gpu else seen
    taken.images += batch * len(answer["nanoseconds"])
    taken.device_ms += answer.get("device_ms", [])
    if joules := meter.joules():
        taken.joules.append(joules / (batch * len(answer["nanoseconds"])))
    taken.throttled |= meter.throttled()
    milliseconds = np.asarray(answer["nanoseconds"]) / 1e6
    taken.medians.append(float(np.median(milliseconds)))
    taken.latencies += milliseconds.tolist()
    taken.loadgen_ms.append(answer["p50_ns"] / 1e6)
    taken.busy = max(taken.busy, others.share(runner.cpu_s - before))
    taken.loadgen.append("VALID" if answer["valid"] else f"INVALID: {answer['why']}")


def _loop(runner: Runner, batch: int, seconds: float) -> float | None:
    """The median of a bare loop, in milliseconds."""
    answer = runner.do(do="loop", batch=batch, seconds=seconds)
    return None if answer is None else float(np.median(answer["nanoseconds"])) / 1e6


def _pair(taken: Taken, looped: float | None) -> None:
    if looped is not None and taken.loadgen_ms:
        taken.pairs.append((taken.loadgen_ms[-1], looped))


def _take_offline(runner: Runner, taken: Taken, batch: int, seconds: float) -> None:
    if not taken.medians:
        return
    rate = OFFLINE_MARGIN * 1000 * batch / float(np.median(taken.medians))
    answer = runner.do(do="offline", batch=batch, seconds=seconds, rate=rate)
    if answer is not None:
        taken.images_per_s = answer["samples_per_s"]


def figures(taken: Taken) -> dict:
    """The figures of a record: milliseconds, whether they are valid, and why not."""
    if not taken.medians:
        return {"median_ms": None, "valid": False}
    middle, p90, p99 = (percentile(taken.latencies, share) for share in (0.5, 0.9, 0.99))
    reasons = list(_doubts(taken))
    return {
        "median_ms": middle.value,
        "median_low_ms": middle.low,
        "median_high_ms": _finite(middle.high),
        "p90_ms": p90.value,
        "p90_high_ms": _finite(p90.high),
        "p99_ms": p99.value,
        "p99_high_ms": _finite(p99.high),
        "images_per_s": _finite(taken.images_per_s),
        "calls": len(taken.latencies),
        "medians_ms": taken.medians,
        "pairs_ms": taken.pairs,
        "joules_per_image": float(np.median(taken.joules)) if taken.joules else None,
        "device_median_ms": float(np.median(taken.device_ms)) if taken.device_ms else None,
        "gpu": _gpu(taken),
        "loadgen": "; ".join(dict.fromkeys(taken.loadgen)),
        "valid": not reasons,
        "why": "; ".join(reasons),
    }


def _doubts(taken: Taken) -> Iterator[str]:
    """Why figures are not to be trusted."""
    if disagree := unstable(taken.medians):
        yield disagree
    if taken.busy > BUSY:
        yield f"other processes took {100 * taken.busy:.0f} % of the processors"
    if taken.throttled:
        yield "the processor was throttled because it was hot"
    if taken.gpu and taken.gpu.slowed:
        yield f"the GPU was slowed by {' and '.join(sorted(taken.gpu.slowed))}"
    if taken.gpu and taken.gpu.unknown:
        yield "the GPU does not tell whether it was slowed"


def _gpu(taken: Taken) -> dict | None:
    """What the GPU said of itself in all rounds."""
    if taken.gpu is None:
        return None
    found = asdict(taken.gpu)
    joules = found.pop("joules")
    found["slowed"] = sorted(found["slowed"])
    return {**found, "joules_per_image": None if joules is None else joules / taken.images}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
