"""Measure on a GPU what the docs say of TF-TRT engines: building, calls, host memory, error.

    python tools/verify.py exports/vgg13/tftrt-fp16
    python tools/measure_gpu.py exports/vgg13/tftrt-fp16

Prints a Markdown table with a row for each batch size: what its first call took, which builds the
engine, the fastest call after it, the most host memory of all processes meanwhile and how many
times the weights that is. The error is that of the check `engine`, as the last verification on a
GPU wrote it into report.json, in multiples of the noise of 16 bits. Exit status: 0, or 2 where an
engine could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from export.commandline import options
from export.ending import ending

HEADER = (
    "artifact", "batch", "first call, s", "later calls, ms", "host memory, GB", "x weights",
    "error, x noise",
)  # fmt: skip


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="DIR")
    args = parser.parse_args(argv)
    with ending():
        from export.tables.markdown import markdown

        rows = [row for folder in args.artifacts for row in _rows(folder)]
        print(markdown(HEADER, "l" + "r" * (len(HEADER) - 1), rows), end="")
    return 0


def _rows(folder: Path) -> list[list[str]]:
    """A row for each batch size; raises ExportError where one does not run."""
    from export.cost import Meter
    from export.study.engines import open_engine

    engine, meter = open_engine(folder), Meter()
    try:
        batches = engine.run(engine.sizes)
    finally:
        meter.close()
    peak, weights = meter.read().peak_rss_bytes, engine.report.artifact["bytes"]
    memory = [f"{peak / 1e9:.1f}", f"{peak / weights:.0f}", _error(engine.report)]
    return [
        [engine.name, str(one.size), f"{one.seconds:.1f}", f"{1000 * one.later:.2f}", *memory]
        for one in batches
    ]


def _error(report) -> str:
    """The engine's error in multiples of the noise, where it was measured."""
    from export.results import find

    check = find(report.checks, "engine")
    noise = check.details.get("noise") if check else None
    if not noise or check.measured is None:
        return "not verified on a GPU"
    return f"{check.measured / noise:.2f}"


if __name__ == "__main__":
    sys.exit(main())
