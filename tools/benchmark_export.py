"""Measure exports: wall time, and peak memory of the process tree, beside the stock converters.

    python tools/benchmark_export.py
    python tools/benchmark_export.py --job vgg19-onnx --stock

Prints a Markdown table. --stock also runs tf2onnx as its documentation says, and the TF-TRT pass
on a graph with all its weights, on the networks where they finish; that takes up to 14 GB. Exit
status: 0, or 2 where a job could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from export.commandline import options
from export.ending import ending

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Job:
    """An export to measure, and what it is allowed."""

    name: str
    models: tuple[str, ...]
    formats: tuple[str, ...]
    _: KW_ONLY
    most_gb: float
    most_s: float
    options: tuple[str, ...] = ()


JOBS = (
    Job("vgg19-onnx", ("vgg19",), ("onnx",), most_gb=3.0, most_s=60),
    Job("vgg19-tftrt-fp16", ("vgg19",), ("tftrt-fp16",), most_gb=3.5, most_s=90),
    Job("vgg19-savedmodel", ("vgg19",), ("savedmodel",), most_gb=3.0, most_s=45),
    Job(
        "vgg13-onnx-self-test",
        ("vgg13",),
        ("onnx",),
        most_gb=3.5,
        most_s=60,
        options=("--self-test",),
    ),
    Job("all", ("all",), ("savedmodel", "onnx", "tftrt-fp16"), most_gb=3.5, most_s=900),
)


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    names = [job.name for job in JOBS]
    parser.add_argument("--job", action="append", type=options.named(names, "job"), metavar="NAME",
        help=f"{', '.join(names)}; all of them if absent")  # fmt: skip
    parser.add_argument("--stock", action="store_true", help="the stock converters as well")
    parser.add_argument("--run-stock", nargs=2, metavar=("FORMAT", "MODEL"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    with ending():
        return run_stock(*args.run_stock) if args.run_stock else _measure_all(args)


def _measure_all(args) -> int:
    status = 0
    print("| job | wall | allowed | peak memory | allowed |")
    print("|---|--:|--:|--:|--:|")
    for job in JOBS:
        if args.job is None or job.name in args.job:
            seconds, peak, done = _measure(_export(job.models, job.formats, job.options))
            status = max(status, 2 * (done != 0))
            print(
                f"| {job.name}{_ending(done)} | {seconds:.0f} s | {job.most_s:.0f} s "
                f"| {peak / 1e9:.2f} GB | {job.most_gb} GB |",
                flush=True,
            )
    if args.stock:
        print("\n| conversion | skeleton and pour | stock |\n|---|--:|--:|")
        for format_name, model in [(f, m) for f, stock in STOCK.items() for m in stock.models]:
            ours = _measure(_export((model,), (format_name,)))
            stock = _measure([__file__, "--run-stock", format_name, model])
            print(f"| {model} to {format_name} | {_cost(ours)} | {_cost(stock)} |", flush=True)
    return status


def _export(models, formats, extra=()) -> list[str]:
    command = [str(ROOT / "tools" / "export.py")]
    for model in models:
        command += ["--model", model]
    for name in formats:
        command += ["--format", name]
    return [*command, *extra]


def _measure(command: list[str]) -> tuple[float, int, int]:
    """Run a Python script; return seconds, the peak bytes of its process tree, its exit status."""
    import psutil

    from export.cost import Meter

    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        own = ["--out", out] if "--run-stock" not in command else []
        child = psutil.Popen(
            [sys.executable, *command, *own], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        meter = Meter(child)
        status = child.wait()
        meter.close()
        cost = meter.read()
        return cost.wall_s, cost.peak_rss_bytes, status


def _cost(measured: tuple[float, int, int]) -> str:
    seconds, peak, status = measured
    return f"{seconds:.0f} s, {peak / 1e9:.1f} GB{_ending(status)}"


def _ending(status: int) -> str:
    return f" (exit status {status})" if status else ""


def run_stock(format_name: str, model_name: str) -> int:
    """Convert a network the way the converters' documentation does, all weights in the graph."""
    from keras_nets import NETS, seed_weights

    model = seed_weights(NETS[model_name].build())
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        STOCK[format_name].convert(model, Path(out))
    return 0


def _by_tf2onnx(model, out: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")
    network = tf.function(
        lambda image: {"logits": model(image, training=False)}, input_signature=[spec]
    )
    path = str(out / "model.onnx")
    tf2onnx.convert.from_function(network, [spec], opset=17, output_path=path)


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


@dataclass(frozen=True)
class Stock:
    """A converter of others, and the networks on which it finishes."""

    convert: Callable[[object, Path], None]
    models: tuple[str, ...]


STOCK = {
    "onnx": Stock(_by_tf2onnx, ("squeezenet1_1", "darknet53")),
    "tftrt-fp16": Stock(_by_tftrt, ("vgg13",)),
}


if __name__ == "__main__":
    sys.exit(main())
