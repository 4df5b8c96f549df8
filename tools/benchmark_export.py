"""Measure exports by stage and process, beside the stock converters.

    python tools/benchmark_export.py --stock --stages --out docs/benchmarks.md
    python tools/benchmark_export.py --job vgg19-onnx --before ../older

Prints a page of Markdown, or writes it to --out: what each job took with its verification, and what
is aimed at; with --stages, where that went. --stock also runs tf2onnx and `Model.export` as their
documentation says, and the TF-TRT pass on a graph with all its weights, on networks where they
finish; that takes up to 14 GB. --before runs each job by the tools/export.py of another checkout as
well, just before. Exit status: 0, or 2 where a job could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import shlex
import tempfile
from dataclasses import KW_ONLY, dataclass

from export.commandline import options
from export.commandline.paths import need_file, need_place
from export.ending import ending
from export.files import write_whole
from export.stages import Profile, profile
from export.tables.exports import Compared, Measured, head, jobs_table, stages_table, stock_table

ROOT = Path(__file__).resolve().parents[1]
EXPORT = Path("tools", "export.py")


@dataclass(frozen=True)
class Job:
    """An export to measure, and what is aimed at on two cores that do nothing else."""

    name: str
    models: tuple[str, ...]
    formats: tuple[str, ...]
    _: KW_ONLY
    aim_gb: float
    aim_s: float
    options: tuple[str, ...] = ()


JOBS = (
    Job("vgg13-tftrt-fp16", ("vgg13",), ("tftrt-fp16",), aim_gb=2.0, aim_s=17),
    Job("vgg19-onnx", ("vgg19",), ("onnx",), aim_gb=1.7, aim_s=14),
    Job("vgg19-savedmodel", ("vgg19",), ("savedmodel",), aim_gb=1.9, aim_s=13),
    Job("squeezenet1_1-onnx", ("squeezenet1_1",), ("onnx",), aim_gb=0.8, aim_s=8),
    Job(
        "vgg13-onnx-self-test",
        ("vgg13",),
        ("onnx",),
        aim_gb=3.5,
        aim_s=34,
        options=("--self-test",),
    ),
    Job("all", ("all",), ("savedmodel", "onnx", "tftrt-fp16"), aim_gb=2.4, aim_s=168),
)


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = options.make_parser(__doc__)
    names = [job.name for job in JOBS]
    parser.add_argument("--job", action="append", type=options.named(names, "job"), metavar="NAME",
        help=f"{', '.join(names)}; all of them if absent")  # fmt: skip
    parser.add_argument("--stages", action="store_true", help="where time and memory go")
    parser.add_argument("--stock", action="store_true", help="the stock converters as well")
    parser.add_argument("--before", type=Path, metavar="DIR", help="a checkout of other code")
    parser.add_argument("--out", type=Path, metavar="FILE", help="of the page; printed if absent")
    parser.add_argument("--run-stock", nargs=2, metavar=("FORMAT", "MODEL"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    with ending():
        return run_stock(*args.run_stock) if args.run_stock else _measure_all(args, argv)


def _measure_all(args, argv: list[str]) -> int:
    from export.benchmark.machine import OtherLoad, describe

    if args.before:
        need_file("--before", args.before / EXPORT, "a checkout that has tools/export.py")
    if args.out:
        need_place("--out", args.out)
    bench, load = _Bench(), OtherLoad()
    jobs = [bench.job(job, args.before) for job in JOBS if job.name in (args.job or [job.name])]
    stock = bench.stock(jobs) if args.stock else []
    spent = sum(took.cpu_s for took in bench.taken)
    command = shlex.join(["python", "tools/benchmark_export.py", *argv])
    page = head(command, describe(), load.share(spent)) + jobs_table(jobs)
    page += stock_table(stock) if stock else ""
    if args.stages:
        page += "".join(stages_table(job.name, job.took) for job in jobs)
    if args.out:
        write_whole(args.out, page)
    else:
        print(page, end="")
    return max((2 * (took.status != 0) for took in bench.taken), default=0)


class _Bench:
    """Runs commands one after the other, and says on standard error what each took."""

    def __init__(self):
        self.taken: list[Profile] = []

    def job(self, job: Job, before: Path | None) -> Measured:
        """Run a job, and by the code of another checkout first, where there is one."""
        other = self._take(f"{job.name} before", _export(job, before)) if before else None
        took = self._take(job.name, _export(job))
        return Measured(job.name, took, aim_s=job.aim_s, aim_gb=job.aim_gb, before=other)

    def stock(self, jobs: list[Measured]) -> list[Compared]:
        """Run the stock converters, and beside each of them an export that did not run yet."""
        done, found = {job.name: job.took for job in jobs}, []
        for format_name, model in ((name, one) for name, models in STOCK.items() for one in models):
            name = f"{model} to {format_name}"
            same = Job(f"{model}-{format_name}", (model,), (format_name,), aim_gb=0, aim_s=0)
            ours = done.get(same.name) or self._take(name, _export(same))
            command = [__file__, "--run-stock", format_name, model]
            found.append(Compared(name, ours, self._take(f"{name}, stock", command)))
        return found

    def _take(self, name: str, command: list[str]) -> Profile:
        """Run a Python script, which writes to a folder that is then gone."""
        with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
            own = ["--out", out] if "--run-stock" not in command else []
            took = profile([sys.executable, *command, *own])
        self.taken.append(took)
        print(f"{name}: {took.wall_s:.1f} s, {took.peak_rss_bytes / 1e9:.2f} GB", file=sys.stderr)
        return took


def _export(job: Job, root: Path = ROOT) -> list[str]:
    command = [str(root / EXPORT)]
    for model in job.models:
        command += ["--model", model]
    for name in job.formats:
        command += ["--format", name]
    return [*command, *job.options]


def run_stock(format_name: str, model_name: str) -> int:
    """Convert a network the way the converters' documentation does, all weights in the graph."""
    from export.benchmark.stock import converter
    from export.formats import find_format
    from export.study.converters import CONVERTERS
    from keras_nets import NETS, seed_weights

    model, format = seed_weights(NETS[model_name].build()), find_format(format_name)
    by = converter(format)  # none for TF-TRT, whose pass is TensorFlow's own
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        (CONVERTERS[format.kind, by] if by else _by_tftrt)(model, Path(out))
    return 0


def _by_tftrt(model, out: Path) -> None:
    from export.formats import find_format
    from export.formats.base import Order
    from export.skeleton.tracing import trace

    place, scratch = out / "artifact", out / "scratch"
    (place / "1").mkdir(parents=True)
    scratch.mkdir()
    find_format("tftrt-fp16").write_stock(
        Order(skeleton=trace(model), folder=place, scratch=scratch)
    )


# By format, the networks on which the converter of others finishes.
STOCK = {
    "onnx": ("squeezenet1_1", "darknet53"),
    "savedmodel": ("vgg19",),
    "tftrt-fp16": ("vgg13",),
}


if __name__ == "__main__":
    sys.exit(main())
