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
    from export.study.engines import open_engine

    engine = open_engine(folder)
    ascending = sizes or engine.sizes
    for order, wanted in (("ascending", ascending), ("descending", ascending[::-1])):
        for batches in engine.run(wanted):
            built = ", ".join(str(size) for sizes in batches.engines.values() for size in sizes)
            print(
                f"| {engine.name} | {order} | {batches.size} "
                f"| {batches.seconds:.1f} s | {1000 * batches.later:.2f} ms | {built} |",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
