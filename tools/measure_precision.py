"""Measure what reduced precision costs: the catalog's networks by formats, stock tools beside.

    python tools/measure_precision.py --only squeezenet1_1 --stock
    python examples/train_digits.py --train-only
    python tools/measure_precision.py --digits digits/squeezenet1_1.weights.h5

Each artifact is made by a process of its own, and what it came to is added to --record as a line,
so that a run which was stopped goes on where it was; docs/precision.md is made of these lines and
says what they lack. With --page-only nothing is measured. All of it takes an hour or two. Exit
status: 0 the page was written, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse  # for what is not shown in --help
import os
import tempfile

from export.commandline import options
from export.commandline.measuring import add_measuring
from export.commandline.paths import need_file
from export.ending import ending
from export.files import write_whole
from export.formats.names import NAMES
from keras_nets.catalog import NETS

ROOT = Path(__file__).resolve().parents[1]
SMALL_FIRST = ("squeezenet1_1", "squeezenet1_0", "darknet53", "alexnet")
NETWORKS = (*SMALL_FIRST, *(name for name in NETS if name not in SMALL_FIRST))
DIGITS_NET, DIGITS_SIDE, DIGITS_CLASSES = "squeezenet1_1", 64, 10
COUNT, HELD_OUT = 128, 32  # pictures
KEPT = "stopped; what is done is kept, and the next run goes on from there"


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(interrupted=KEPT, extra="examples"):
        if args.run_stock:  # a child of ours
            return _convert(*args.run_stock)
        if args.digits:
            need_file("--digits", args.digits, "what examples/train_digits.py wrote")
        if not args.page_only:
            _measure(args)
        _write_page(args)
    return 0


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add_measuring(parser, NETWORKS, "network", "a process", seconds=600)
    add("--format", action="append", type=options.named(NAMES, "format"), metavar="NAME",
        help="all of ONNX, OpenVINO and LiteRT if absent")  # fmt: skip
    add("--digits", type=Path, metavar="FILE",
        help="of the digits: measure their accuracy in place of the catalog")  # fmt: skip
    add("--stock", action="store_true", help="the tools of others as well")
    add("--page-only", action="store_true", help="write the page of what is recorded")
    add("--record", type=Path, default=ROOT / "docs" / "precision.jsonl",
        help="(docs/precision.jsonl)")  # fmt: skip
    add("--page", type=Path, default=ROOT / "docs" / "precision.md", help="(docs/precision.md)")
    add("--run-stock", nargs=3, metavar=("NAME", "FORMAT", "DIR"), help=argparse.SUPPRESS)
    return parser


def _measure(args) -> None:
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as folder:
        # Ranges that an earlier run has cached would take no time, and cost is what is measured.
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        if args.digits:
            _measure_digits(args, Path(folder))
            return
        from export.study.precision.formats import MEASURED
        from export.study.precision.pictures import write_pictures

        write_pictures(Path(folder, "pictures"), COUNT + HELD_OUT)
        for network in args.only or NETWORKS:
            for format in args.format or MEASURED:
                _measure_one(args, network, format, Path(folder))


def _measure_one(args, network: str, format: str, folder: Path) -> None:
    """An artifact of ours, and, where they are asked for, what the tools of others make."""
    from export.study.precision.measuring import export_once, stock_once
    from export.study.precision.stock import stock_of

    command = [str(ROOT / "tools" / "export.py"), "--model", network, "--format", format]
    pictures = folder / "pictures"
    _keep(args, (network, format, ""), export_once, [*command, *_calibration(format, pictures)])
    stock = stock_of(format)
    if args.stock and stock:
        command = [__file__, "--run-stock", network, format, str(pictures)]
        _keep(args, (network, format, stock.name), stock_once, command)


def _calibration(format: str, pictures: Path) -> list[str]:
    """Options of an export; on seeded weights first choices say nothing, so none need agree."""
    from export.study.precision.formats import needs_pictures

    if not needs_pictures(format):
        return []
    return [
        "--calibration",
        str(pictures),
        "--calibration-count",
        str(COUNT),
        "--min-agreement",
        "0",
    ]


def _measure_digits(args, folder: Path) -> None:
    from examples.train_digits import is_held_out, load_digits
    from export.study.precision.formats import MEASURED, needs_pictures
    from export.study.precision.measuring import Held, export_once
    from export.study.precision.page import DIGITS

    images, labels = load_digits()
    held = is_held_out(labels)
    _write_digits(images, labels, held, folder / "held-out")
    _write_digits(images, labels, ~held, folder / "trained-on")
    own = Held(command=[str(ROOT / "tools" / "evaluate.py")], images=folder / "held-out")
    for format in args.format or MEASURED:
        command = [
            str(ROOT / "tools" / "export.py"), "--model", DIGITS_NET, "--format", format,
            "--weights", str(args.digits), "--classes", str(DIGITS_CLASSES),
            "--image-size", str(DIGITS_SIDE),
        ]  # fmt: skip
        if needs_pictures(format):
            command += ["--calibration", str(folder / "trained-on")]
        _keep(args, (DIGITS, format, ""), export_once, command, held=own)


def _write_digits(images, labels, chosen, folder: Path) -> None:
    """Write the chosen digits as PNG, in one folder a class."""
    from PIL import Image

    for index in chosen.nonzero()[0]:
        path = folder / str(labels[index]) / f"{index:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(path)


def _keep(args, key, once, command: list[str], **more) -> None:
    """Record what comes of running `command`, unless that was done before."""
    from export.study.precision.record import add_record, read_records
    from export.study.zoo.running import Bounds

    if key in read_records(args.record) and not args.again:
        return
    bounds = Bounds(args.seconds, args.gigabytes * 1e9)
    record = once(key, command, bounds, args.machine, **more)
    cost = f"{record.wall_s} s, {record.peak_bytes / 1e9:.2f} GB"
    print(*filter(None, key), record.verdict, cost, record.line, flush=True)
    add_record(args.record, record)


def _write_page(args) -> None:
    from export.study.precision.formats import MEASURED
    from export.study.precision.page import measured, with_measured
    from export.study.precision.record import read_records

    need_file("--page", args.page, "a page with the two marks between which tables go")
    text = measured(read_records(args.record), NETWORKS, MEASURED)
    write_whole(args.page, with_measured(args.page.read_text(encoding="utf-8"), text))


def _convert(network: str, format: str, pictures: str) -> int:
    """Have tools of others convert a network in this process, and print the bytes they wrote."""
    from export.study.precision.stock import stock_of
    from keras_nets import find_net, seed_weights
    from keras_nets.preprocess import preprocess, recipe_for
    from keras_nets.spread import spread_pictures

    net = find_net(network)
    paths, recipe = spread_pictures(Path(pictures), 0)[:COUNT], recipe_for(net)
    images = (preprocess(path, recipe) for path in paths)
    model = seed_weights(net.build(), 0)
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        print(stock_of(format).convert(model, Path(out), images).stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
