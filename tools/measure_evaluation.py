"""Measure what evaluating on Ray costs against the pool of processes, for docs/evaluation.md.

    python tools/measure_evaluation.py exports/squeezenet1_1/onnx --pictures 2000 --workers 2

Makes seeded pictures of 256x256 pixels, evaluates them with both engines in turns and prints a
Markdown table: the whole command, and the ratio of each to the pool in the same round.
Exit status: 0, or 2 where an evaluation failed or the engines counted differently.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
import subprocess
import tempfile
import time
from statistics import median

from export.commandline import options
from export.ending import ending
from export.errors import ExportError

TOOL = Path(__file__).resolve().parent / "evaluate.py"
ENGINES, SIDE = ("pool", "ray"), 256


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("artifact", type=Path, metavar="ARTIFACT")
    add("--pictures", type=options.positive, default=2000, metavar="N", help="(2000)")
    add("--workers", type=options.positive, default=2, metavar="N", help="of either engine (2)")
    add("--rounds", type=options.positive, default=3, metavar="N", help="(3)")
    args = parser.parse_args(argv)
    with ending(), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_pictures(folder / "pictures", args.pictures)
        taken, counts = _measure(args, folder)
        _print(taken)
        if len(counts) > 1:
            raise ExportError(f"the engines counted differently: {sorted(counts)}")
    return 0


def make_pictures(folder: Path, count: int) -> None:
    """Write `count` seeded JPEG files of SIDE x SIDE pixels, in turns of two classes."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    (folder / "0").mkdir(parents=True)
    (folder / "1").mkdir()
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8))
        picture = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / str(number % 2) / f"{number:06}.jpg")


def _measure(args, folder: Path) -> tuple[dict[str, list[float]], set[str]]:
    """Seconds of each engine by round, and every set of counts that was given."""
    taken, counts = {engine: [] for engine in ENGINES}, set()
    command = [sys.executable, str(TOOL), str(args.artifact.absolute()), "--no-keras", "--json",
               "--images", str(folder / "pictures"), "--labels", str(_labels(folder)),
               "--workers", str(args.workers), "--state", str(folder / "state")]  # fmt: skip
    for number in range(args.rounds):
        for engine in ENGINES if number % 2 == 0 else ENGINES[::-1]:
            began = time.monotonic()
            done = subprocess.run(
                [*command, "--engine", engine], capture_output=True, text=True, cwd=folder
            )
            taken[engine].append(time.monotonic() - began)
            if done.returncode:
                said = done.stderr.strip().splitlines() or ["it said nothing"]
                raise ExportError(f"evaluation by the engine {engine} failed: {said[-1]}")
            counts.add(_counted(json.loads(done.stdout)))
    return taken, counts


def _labels(folder: Path) -> Path:
    path = folder / "labels.txt"
    path.write_text("0 0\n1 1\n")
    return path


def _counted(document: dict) -> str:
    """Everything that was found, without how fast."""
    networks = [
        {name: value for name, value in one.items() if name not in ("pictures_per_s", "ran")}
        for one in document["networks"]
    ]
    return json.dumps([document["images"], networks], sort_keys=True)


def _print(taken: dict[str, list[float]]) -> None:
    from export.tables.markdown import markdown

    rows = []
    for engine, seconds in taken.items():
        ratios = [own / pool for own, pool in zip(seconds, taken["pool"], strict=True)]
        each = ", ".join(f"{one:.1f}" for one in seconds)
        rows.append([engine, f"{median(seconds):.1f}", each, f"{median(ratios):.2f}"])
    print(markdown(("engine", "median, s", "each round, s", "x pool"), "lrlr", rows), end="")


if __name__ == "__main__":
    sys.exit(main())
