"""A benchmark: processes that load each subject once, and records of what they took in turns."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from export.benchmark.figures import ratio
from export.benchmark.rounds import Runner, Taken, figures, run_rounds
from export.benchmark.stock import check_memory
from export.benchmark.subjects import Subject
from export.errors import ExportError
from export.process import child_of
from export.progress import Progress

WORKER, STOCK = "export.benchmark.worker", "export.benchmark.stock"


@dataclass(frozen=True, kw_only=True)
class Method:
    """How measurements are made."""

    batches: tuple[int, ...] = (1, 4, 8)
    rounds: int = 3
    seconds: float = 3.0  # of a turn
    threads: int | None = None  # of each runtime; None: what it takes by itself
    loop: bool = False  # whether a bare loop runs beside loadgen
    pin: tuple[int, ...] = ()  # processors that measured processes may run on; empty: all


@dataclass(kw_only=True)
class _Loaded:
    """A subject and the process that runs it, where there is one."""

    subject: Subject
    runner: Runner | None = None
    why: str = ""
    taken: dict[int, Taken] = field(default_factory=dict)


def benchmark(
    subjects: Iterable[Subject], method: Method, scratch: Path, progress: Progress
) -> Iterator[dict]:
    """Yield a record for each subject and batch size.

    Subjects of one model are measured in turns with each other; the first of them that runs is
    their base line.
    """
    by_model = sorted(subjects, key=lambda subject: subject.model)
    for _, group in groupby(by_model, key=lambda subject: subject.model):
        yield from _benchmark_group(list(group), method, scratch, progress)


def _benchmark_group(group: list[Subject], method: Method, scratch: Path, progress: Progress):
    with ExitStack() as stack:
        loaded = [_load(stack, subject, method, scratch, progress) for subject in group]
        runners = [one.runner for one in loaded if one.runner]
        for batch in method.batches:
            found = run_rounds(runners, batch, method.rounds, method.seconds, progress, method.loop)
            for one in loaded:
                if one.runner:
                    one.taken[batch] = found[one.runner.name]
    base = next((one for one in loaded if one.runner), None)
    for one in loaded:
        for batch in method.batches:
            yield _record(one, base, batch, method)


def _load(
    stack: ExitStack, subject: Subject, method: Method, scratch: Path, progress: Progress
) -> _Loaded:
    """Have a process of its own open the subject, or say why it cannot."""
    if subject.why_not:
        return _Loaded(subject=subject, why=subject.why_not)
    try:
        _convert(subject, scratch, progress)
    except ExportError as error:
        return _Loaded(subject=subject, why=str(error))
    progress(subject.name, "loading")
    child = stack.enter_context(child_of(WORKER, scratch, subject.name))
    job = {
        **subject.opening,
        "do": "open",
        "batches": list(method.batches),
        "threads": method.threads,
        "pin": list(method.pin),
    }
    try:
        answer, _ = child.ask(job, {})
    except ExportError as error:
        return _Loaded(subject=subject, why=str(error))
    if answer["error"]:
        return _Loaded(subject=subject, why=answer["error"])
    runner = Runner(
        name=subject.name,
        ask=lambda job: child.ask(job, {})[0],
        load_s=answer["load_s"],
        first_ms={int(batch): ms for batch, ms in answer["first_ms"].items()},
        device=subject.device,
        pid=answer["pid"],
        cpu_s=answer["cpu_s"],
        peak_rss_bytes=answer["peak_rss_bytes"],
    )
    return _Loaded(subject=subject, runner=runner)


def _convert(subject: Subject, scratch: Path, progress: Progress) -> None:
    """Have another converter write what the subject opens, where it is one of others'.

    Raises ExportError where that fails or would take more memory than there is.
    """
    opening = subject.opening
    if "stock" not in opening:
        return
    progress(subject.name, "converting")
    check_memory(opening["stock"], opening["weight_bytes"])
    job = {"kind": opening["stock"], "to": opening["folder"]}
    job |= {name: opening[name] for name in ("builder", "arguments")}
    with child_of(STOCK, scratch, subject.name) as child:
        answer, _ = child.ask(job, {})
    if answer["error"]:
        raise ExportError(answer["error"])


def _record(one: _Loaded, base: _Loaded | None, batch: int, method: Method) -> dict:
    subject, runner = one.subject, one.runner
    record = {
        "artifact": subject.artifact,
        "model": subject.model,
        "format": subject.format,
        "runtime": subject.runtime,
        "device": subject.device,
        "batch": batch,
        "threads": method.threads,
        "bytes": subject.bytes,
        **dict.fromkeys(("median_ms", "p90_ms", "p99_ms", "images_per_s")),
        **dict.fromkeys(("load_s", "first_ms", "peak_rss_bytes")),
        "valid": False,
        "why": one.why,
        "ratio": None,
    }
    if runner is None:
        return record
    taken = one.taken[batch]
    record |= {
        "load_s": runner.load_s,
        "first_ms": runner.first_ms[batch],
        "peak_rss_bytes": runner.peak_rss_bytes,
        **figures(taken),
    }
    if runner.died:
        record |= {"valid": False, "why": runner.died}
    against = base.taken[batch].medians
    if taken.medians and len(against) == len(taken.medians):
        record["ratio"] = ratio(taken.medians, against)
    return record
