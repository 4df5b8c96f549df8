"""docs/benchmarks.md: what exports take, by job, by stage, and beside converters of others."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass

from export.stages import Profile
from export.tables.markdown import markdown
from export.wording import listed, size

HEAD = """\
# What an export takes

Made by `{command}` on {machine}; other processes took {others:.0%} of it meanwhile. The lane was
made already. Memory is the resident memory of the whole process tree at its highest; imports and
verification are included. Aims are of two cores that do nothing else.
"""
NOTES = """
`vgg13-onnx-self-test` is an export with thirteen bugs planted in what it made. `all` is the eight
networks in SavedModel, ONNX and TF-TRT FP16, a process a network.
"""
STOCK_NOTES = """
Stock is tf2onnx and `Model.export` as their documentation says, and for TF-TRT the same pass on a
graph with all its weights, because TensorFlow's own converter does not run without a GPU. None of
them verifies anything; our column does.
"""


@dataclass(frozen=True)
class Measured:
    """What a job took, beside what is aimed at and, where it was run, what other code took."""

    name: str
    took: Profile
    _: KW_ONLY
    aim_s: float
    aim_gb: float
    before: Profile | None = None


@dataclass(frozen=True)
class Compared:
    """What a conversion took here, verification included, and in the converter of others."""

    name: str
    ours: Profile
    stock: Profile


def head(command: str, machine: dict, others: float) -> str:
    """How the page begins; `machine` is as export/benchmark/machine.py describes it."""
    has = [f"{machine['usable_cores'] or machine['cores']} cores of an {machine['cpu']}"]
    has.append(size(machine["memory_bytes"]))
    return HEAD.format(command=command, machine=listed(has), others=others)


def jobs_table(jobs: Iterable[Measured]) -> str:
    """What each job took, and what is aimed at; and beside other code, where that was run too."""
    jobs = list(jobs)
    header, align = ["job", "wall", "aim", "CPU", "peak memory", "aim"], "lrrrrr"
    rows = [
        [
            f"{job.name}{_ending(job.took)}",
            f"{job.took.wall_s:.1f} s",
            f"{job.aim_s:.0f} s",
            f"{job.took.cpu_s:.1f} s",
            _memory(job.took),
            f"{job.aim_gb} GB",
        ]
        for job in jobs
    ]
    if any(job.before for job in jobs):
        header, align = [*header, "before", "of its time"], f"{align}rr"
        rows = [[*row, *_beside(job)] for row, job in zip(rows, jobs, strict=True)]
    return f"\n{markdown(header, align, rows)}{NOTES}"


def _beside(job: Measured) -> list[str]:
    if job.before is None:
        return ["", ""]
    ratio = f"{job.took.wall_s / job.before.wall_s:.2f}"
    whole = job.took.status == job.before.status == 0
    before = f"{job.before.wall_s:.1f} s, {_memory(job.before)}{_ending(job.before)}"
    return [before, ratio if whole else ""]


def stock_table(conversions: Iterable[Compared]) -> str:
    """What conversions took here and elsewhere."""
    rows = [[one.name, _cost(one.ours), _cost(one.stock)] for one in conversions]
    table = markdown(["conversion", "ours, verified", "stock, not verified"], "lrr", rows)
    return f"\n{table}{STOCK_NOTES}"


def stages_table(name: str, took: Profile) -> str:
    """Where a job's time and memory went."""
    rows = []
    for stage in took.stages:
        memory = f"{stage.peak_rss_bytes / 1e9:.2f} GB"
        rows.append([stage.name, "all", f"{stage.wall_s:.1f} s", "", memory])
        for process, part in stage.parts.items():
            memory = f"{part.peak_rss_bytes / 1e9:.2f} GB"
            rows.append(["", process, "", f"{part.cpu_s:.1f} s", memory])
    header = ["stage", "process", "wall", "CPU", "peak memory"]
    return f"\n## {name}, by stage and process\n\n{markdown(header, 'llrrr', rows)}"


def _cost(took: Profile) -> str:
    return f"{took.wall_s:.0f} s, {took.peak_rss_bytes / 1e9:.1f} GB{_ending(took)}"


def _memory(took: Profile) -> str:
    return f"{took.peak_rss_bytes / 1e9:.2f} GB"


def _ending(took: Profile) -> str:
    return f" (exit status {took.status})" if took.status else ""
