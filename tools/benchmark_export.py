"""Measure exports by stage and process, beside the stock converters.

    python tools/benchmark_export.py --stock
    python tools/benchmark_export.py --job vgg19-onnx --stages

Prints Markdown tables: what each job took with its verification, and what is aimed at; with
--stages, where that went. --stock also runs tf2onnx and `Model.export` as their documentation says,
and the TF-TRT pass on a graph with all its weights, on networks where they finish; that takes up to
14 GB. Exit status: 0, or 2 where a job could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import tempfile
from dataclasses import KW_ONLY, dataclass

from export.commandline import options
from export.ending import ending
from export.stages import Profile, profile

ROOT = Path(__file__).resolve().parents[1]


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
    parser = options.make_parser(__doc__)
    names = [job.name for job in JOBS]
    parser.add_argument("--job", action="append", type=options.named(names, "job"), metavar="NAME",
        help=f"{', '.join(names)}; all of them if absent")  # fmt: skip
    parser.add_argument("--stages", action="store_true", help="where time and memory go")
    parser.add_argument("--stock", action="store_true", help="the stock converters as well")
    parser.add_argument("--run-stock", nargs=2, metavar=("FORMAT", "MODEL"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    with ending():
        return run_stock(*args.run_stock) if args.run_stock else _measure_all(args)


def _measure_all(args) -> int:
    jobs = [job for job in JOBS if args.job is None or job.name in args.job]
    measured = {}
    print("| job | wall | aim | CPU | peak memory | aim |")
    print("|---|--:|--:|--:|--:|--:|")
    for job in jobs:
        measured[job.name] = took = _measure(_export(job))
        print(
            f"| {job.name}{_ending(took)} | {took.wall_s:.1f} s | {job.aim_s:.0f} s "
            f"| {took.cpu_s:.1f} s | {took.peak_rss_bytes / 1e9:.2f} GB | {job.aim_gb} GB |",
            flush=True,
        )
    if args.stock:
        _measure_stock(jobs, measured)
    if args.stages:
        for name, took in measured.items():
            _print_stages(name, took)
    return max((2 * (took.status != 0) for took in measured.values()), default=0)


def _measure_stock(jobs: list[Job], measured: dict[str, Profile]) -> None:
    """Print what the stock converters take, and beside it a job of the same, if there is one."""
    print("\n| conversion | ours, verified | stock, not verified |\n|---|--:|--:|")
    same = {(job.formats, job.models): job.name for job in jobs if not job.options}
    for format_name, model in [(name, one) for name, models in STOCK.items() for one in models]:
        name = same.get(((format_name,), (model,)))
        job = Job("", (model,), (format_name,), aim_gb=0, aim_s=0)
        ours = measured[name] if name else _measure(_export(job))
        stock = _measure([__file__, "--run-stock", format_name, model])
        print(f"| {model} to {format_name} | {_cost(ours)} | {_cost(stock)} |", flush=True)


def _print_stages(name: str, took: Profile) -> None:
    print(f"\n| {name} | process | wall | CPU | peak memory |\n|---|---|--:|--:|--:|")
    for stage in took.stages:
        print(
            f"| {stage.name} | all | {stage.wall_s:.1f} s | | {stage.peak_rss_bytes / 1e9:.2f} GB |"
        )
        for process, part in stage.parts.items():
            memory = f"{part.peak_rss_bytes / 1e9:.2f} GB"
            print(f"| | {process} | | {part.cpu_s:.1f} s | {memory} |")


def _export(job: Job) -> list[str]:
    command = [str(ROOT / "tools" / "export.py")]
    for model in job.models:
        command += ["--model", model]
    for name in job.formats:
        command += ["--format", name]
    return [*command, *job.options]


def _measure(command: list[str]) -> Profile:
    """Run a Python script, which writes to a folder that is then gone."""
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        own = ["--out", out] if "--run-stock" not in command else []
        return profile([sys.executable, *command, *own])


def _cost(took: Profile) -> str:
    return f"{took.wall_s:.0f} s, {took.peak_rss_bytes / 1e9:.1f} GB{_ending(took)}"


def _ending(took: Profile) -> str:
    return f" (exit status {took.status})" if took.status else ""


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
