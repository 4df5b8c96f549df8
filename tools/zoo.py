"""Export a zoo of architectures to SavedModel, ONNX and TF-TRT, and write docs/zoo.md.

    python tools/zoo.py --stock
    python tools/zoo.py --only vit --only EfficientNetB0

13 networks of keras.applications, and small ones of other kinds (keras_nets/zoo). Every network
is exported by a process of its own, to all formats at once; --apart has one for each format. What
is done is kept in --record and not done again, unless --again says so, so a run can be stopped and
resumed; all takes ten minutes. --stock runs the converters of others beside ours. Exit status: 0
the page was written and every verdict is the expected one, 1 one is another, 2 something could not
be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse  # for what is not shown in --help
import importlib.util
import tempfile

from export.commandline import options
from export.commandline.measuring import add_measuring
from export.ending import ending
from export.errors import ExportError
from keras_nets.zoo.listing import ARCHITECTURES, FORMATS, find

ROOT = Path(__file__).resolve().parents[1]
KEPT = "stopped; what is done is kept, and the next run goes on from there"


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(interrupted=KEPT):
        if args.run_stock:  # a child of ours
            return _convert(*args.run_stock, small=args.small)
        architectures = find(args.only)
        for architecture in architectures:
            _run(args, architecture)
        return _finish(args, architectures)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    names = [one.name for one in ARCHITECTURES]
    add_measuring(parser, names, "architecture", "an export", seconds=900)
    add("--format", action="append", type=options.named(FORMATS, "format"), metavar="NAME",
        help=f"{', '.join(FORMATS)}; all if absent")  # fmt: skip
    add("--small", action="store_true", help="small pictures and few classes, where there are such")
    add("--apart", action="store_true", help="each format in an export of its own")
    add("--stock", action="store_true", help="tf2onnx and Model.export as well; implies --apart")
    add("--record", type=Path, default=ROOT / "docs" / "zoo.jsonl", help="(docs/zoo.jsonl)")
    add("--doc", type=Path, default=ROOT / "docs" / "zoo.md", help="(docs/zoo.md)")
    add("--run-stock", nargs=3, metavar=("NAME", "KIND", "CONVERTER"), help=argparse.SUPPRESS)
    return parser


def _run(args, architecture) -> None:
    """Export one architecture to every format, and keep what came of it."""
    if architecture.needs and not importlib.util.find_spec(architecture.needs):
        print(f"{architecture.name}: left out, {architecture.needs} is not installed", flush=True)
        return
    formats = args.format or FORMATS
    if not (args.apart or args.stock):
        _export(args, architecture, formats)
        return
    for name in formats:
        _export(args, architecture, [name])
        if args.stock:
            _convert_beside(args, architecture, name)


def _export(args, architecture, formats) -> None:
    """Record what comes of one export to `formats`, unless that was done before."""
    from export.study.zoo.running import Bounds, export_once

    if not _wanted(args, [(architecture.name, name, "") for name in formats]):
        return
    command = [str(ROOT / "tools" / "export.py"), *architecture.options(args.small)]
    command += ["--name", architecture.name]
    command += [word for name in formats for word in ("--format", name)]
    bounds = Bounds(args.seconds, args.gigabytes * 1e9)
    _keep(args, export_once(architecture.name, formats, command, bounds, args.machine))


def _convert_beside(args, architecture, name: str) -> None:
    """Record how the converters of others end whose results are as those of the format `name`."""
    from export.formats import find_format
    from export.study.converters import CONVERTERS
    from export.study.zoo.running import Bounds, stock_once

    kind = find_format(name).kind
    for converter in [made for own, made in CONVERTERS if own == kind]:
        key = (architecture.name, name, converter)
        if _wanted(args, [key]):
            command = [__file__, "--run-stock", architecture.name, kind, converter]
            command += ["--small"] if args.small else []
            bounds = Bounds(args.seconds, args.gigabytes * 1e9)
            _keep(args, [stock_once(key, command, bounds, args.machine)])


def _wanted(args, keys) -> bool:
    from export.study.zoo.record import read_records

    return args.again or not read_records(args.record).keys() >= set(keys)


def _keep(args, found) -> None:
    """Print what came of a process, and write it down."""
    from export.study.zoo.record import read_records, write_records

    for one in found:
        cost = f"{one.wall_s} s, {one.peak_bytes / 1e9:.2f} GB"
        print(*filter(None, one.key), one.verdict, cost, one.line, flush=True)
    write_records(args.record, read_records(args.record) | {one.key: one for one in found})


def _finish(args, architectures) -> int:
    """Write the page, and return 1 if a verdict is another than the listing expects."""
    from export.study.zoo.page import write_page
    from export.study.zoo.record import read_records

    records = read_records(args.record)
    if not records:
        raise ExportError("nothing was exported, so there is nothing to write; see above")
    bounds = f"{args.seconds} seconds or {args.gigabytes} GB"
    groups = {one.name: one.group for one in ARCHITECTURES}
    write_page(args.doc, records, groups, bounds)
    wrong = [
        f"{one.name} to {name}: {record.verdict} {record.line}"
        for one in architectures
        for name in args.format or FORMATS
        if (record := records.get((one.name, name, "")))
        and not record.is_as_expected(one.refused.get(name))
    ]
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def _convert(name: str, kind: str, converter: str, *, small: bool) -> int:
    """Convert an architecture by a converter of others, in this process."""
    from export.study.converters import CONVERTERS
    from keras_nets.sources.filling import prepare_source

    (architecture,) = find([name])
    arguments = architecture.built_with(small)
    model = prepare_source(architecture.words, arguments).model
    with tempfile.TemporaryDirectory(prefix="keras-nets-") as out:
        CONVERTERS[kind, converter](model, Path(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
