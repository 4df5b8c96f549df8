"""Measure what loading a TF-TRT artifact takes in TensorFlow 2.17, in two forms and two ways.

    python tools/measure_tftrt_load.py exports/vgg13/tftrt-fp16

The artifact's own form, a plain graph with a signature, is compared with the same graph inside a
function, which is what TensorFlow's own converter saves; `tf.saved_model.load` with loading into a
session, which is how TensorFlow Serving loads. Prints a Markdown table. Exit status: 0, or 2 where
something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import tempfile

from export.commandline.options import make_parser
from export.ending import ending
from export.errors import ArtifactError


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="DIR")
    args = parser.parse_args(argv)
    with ending():
        print("| artifact | weights | form | way | load | peak over imports | x weights |")
        print("|---|--:|---|---|--:|--:|--:|")
        for folder in args.artifacts:
            _measure(folder)
    return 0


def _measure(folder: Path) -> None:
    from export.formats import find_format
    from export.formats.names import TFTRT
    from export.report.file import read_report

    report = read_report(folder)
    format = find_format(report.format)
    if format.kind != TFTRT:
        raise ArtifactError(f"{folder} is of format {format.name}; name a TF-TRT artifact")
    size = report.artifact["bytes"]
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as scratch:
        own, other = folder / "1", Path(scratch, "function")
        _run(format, {"do": "resave", "model": str(own), "resaved": str(other)}, scratch)
        for form, model in (("graph", own), ("function", other)):
            for way in ("load", "session"):
                answer = _run(format, {"do": way, "model": str(model)}, scratch)
                taken = answer["peak_bytes"] - answer["imports_bytes"]
                print(
                    f"| {report.model} {report.format} | {size / 1e6:.0f} MB | {form} | {way} "
                    f"| {answer['seconds']:.1f} s | {taken / 1e9:.2f} GB | {taken / size:.1f} |",
                    flush=True,
                )


def _run(format, job: dict, scratch: str) -> dict:
    from export.lanes import run_in_lane

    answer, _ = run_in_lane(format.lane, "load.py", job, {}, Path(scratch))
    return answer


if __name__ == "__main__":
    sys.exit(main())
