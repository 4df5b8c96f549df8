"""Measure on a GPU how many engines warm-up builds, in ascending and in descending order.

    python tools/measure_tftrt_warmup.py exports/vgg13/tftrt-fp16

Runs the batch sizes that the artifact was made for in both orders, each in a fresh process, and
prints a Markdown table: what the first call of a size took, and the fastest one after it, and which
engines TensorFlow's cache then held. Exit status: 0, or 2 where an engine could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from export.commandline import options
from export.ending import ending


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--batch-sizes", type=options.numbers, metavar="N,N",
        help="those of the report if absent")  # fmt: skip
    args = parser.parse_args(argv)
    with ending():
        print("| artifact | order | batch | first call | later calls | engines built so far |")
        print("|---|---|--:|--:|--:|---|")
        for folder in args.artifacts:
            _measure(folder, args.batch_sizes)
    return 0


def _measure(folder: Path, sizes: tuple[int, ...] | None) -> None:
    from export.observe.probes import probes
    from export.report.file import read_report

    report = read_report(folder)
    ascending = sizes or tuple(sorted(report.options["batch_sizes"]))
    given = report.contract["inputs"][0]["name"] if report.contract else "image"
    inputs = {given: probes(tuple(report.options["image"]), report.options["seed"])}
    for order, wanted in (("ascending", ascending), ("descending", ascending[::-1])):
        for batches in _run(folder, report, inputs, wanted):
            built = ", ".join(str(size) for sizes in batches.engines.values() for size in sizes)
            print(
                f"| {report.model} {report.format} | {order} | {batches.size} "
                f"| {batches.seconds:.1f} s | {1000 * batches.later:.2f} ms | {built} |",
                flush=True,
            )


def _run(folder: Path, report, inputs, sizes: tuple[int, ...]):
    """Run `sizes` in this order in a fresh process; raise ExportError where one does not run."""
    from export.errors import ArtifactError, ExportError
    from export.formats import find_format
    from export.observe.engine import run_engine

    format = find_format(report.format)
    if not format.engine_rule:
        raise ArtifactError(f"{folder} is {report.format}, which has no engine; name a TF-TRT one")
    run = run_engine(format, folder, inputs, sizes)
    for why in (run.unable, run.failed, run.uncounted):
        if why:
            raise ExportError(f"{folder} could not be measured: {why}")
    return run.batches


if __name__ == "__main__":
    sys.exit(main())
