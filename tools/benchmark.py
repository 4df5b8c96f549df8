"""Measure how fast artifacts run, each in the runtime that it is for, all of them in turns.

    python tools/benchmark.py exports/vgg13/onnx exports/vgg13/savedmodel --batch 1 4 8

Artifacts of one network are loaded by a process each and called in turns, so that what slows the
machine slows all alike; mlcommons' loadgen times the calls. The ratio to the first of them is the
figure to compare, milliseconds are of this machine. What does not run here says why, such as
"needs a GPU". Exit status: 0 measured, 2 nothing could be, or a folder is no artifact.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json

from export.commandline import options
from export.commandline.paths import need_file, need_place
from export.ending import ending


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    with ending(verbose=args.verbose):
        return _measure(args, argv)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("artifacts", nargs="*", type=Path, metavar="DIR",
        help="such as exports/vgg13/onnx, or a folder with artifacts at any depth")  # fmt: skip
    add("--batch", nargs="+", type=options.positive, default=[1, 4, 8], metavar="N",
        help="batch sizes (1 4 8)")  # fmt: skip
    add("--seconds", type=options.positive, default=3, metavar="N", help="of each turn (3)")
    add("--rounds", type=options.positive, default=3, metavar="N",
        help="turns of each artifact (3)")  # fmt: skip
    add("--threads", type=options.positive, metavar="N", help="of each runtime; its own if absent")
    add("--pin", nargs="+", type=options.whole(0), default=[], metavar="CPU",
        help="processors that the measured processes may run on")  # fmt: skip
    add("--no-keras", action="store_true", help="leave the Keras model, the base line, out")
    add("--stock", action="store_true",
        help="measure what Model.export and tf2onnx make of each model, beside ours")  # fmt: skip
    add("--torch", action="store_true",
        help="measure torchvision's network of that name, where torch is installed")  # fmt: skip
    add("--loop", action="store_true", help="run a bare loop beside loadgen, to compare the two")
    add("--resume", action="store_true",
        help="go on where --out stops: leave out models that are in it already")  # fmt: skip
    add("--out", type=Path, metavar="FILE",
        help="write the records there, an object a line; a table if it ends in .csv")  # fmt: skip
    add("--html", type=Path, metavar="FILE", help="write a page with figures there")
    add("--compare", type=Path, metavar="OLD",
        help="say what became faster or slower since such a file, beyond noise")  # fmt: skip
    add("--merge", nargs="+", type=Path, default=[], metavar="FILE",
        help="show such files of other machines in the same table")  # fmt: skip
    options.add_output(parser)
    return parser


def _measure(args, argv) -> int:
    from export.benchmark.comparing import changes
    from export.commandline.speed_table import print_records
    from export.tables.speed import read_records

    if not (args.artifacts or args.merge):
        raise ValueError("name artifacts to measure, or files to --merge")
    for option, path in (("--compare", args.compare), *(("--merge", path) for path in args.merge)):
        if path:
            need_file(option, path, "a file that --out wrote")
    for option, path in (("--out", args.out), ("--html", args.html)):
        if path:
            need_place(option, path)
    if args.resume and (not args.out or args.out.suffix == ".csv"):
        raise ValueError("--resume goes on where --out stops; name a file of records, no .csv")
    before = read_records(args.compare) if args.compare else None
    merged = [record for path in args.merge for record in read_records(path)]
    records, unread = _records(args) if args.artifacts else ([], [])
    if args.html:
        _write_page(args.html, records + merged, argv)
    if args.json:
        for record in records + merged:
            print(json.dumps(record))
    else:
        print_records(records + merged)
        for line in changes(before, records) if before is not None else ():
            print(line)
    for line in unread:
        print(f"error: {line}", file=sys.stderr)
    measured = any(record["median_ms"] for record in records + merged)
    return 2 if unread or not measured else 0


def _records(args) -> tuple[list[dict], list[str]]:
    """What was measured, and a line for each folder that has no use."""
    import tempfile

    from export.backend import require_tensorflow
    from export.benchmark.machine import describe
    from export.benchmark.run import Method, benchmark
    from export.commandline.display import display

    require_tensorflow()
    method = Method(
        batches=tuple(dict.fromkeys(args.batch)),
        rounds=args.rounds,
        seconds=args.seconds,
        threads=args.threads,
        loop=args.loop,
        pin=tuple(args.pin),
    )
    machine = describe()
    with display(args.verbose) as show, tempfile.TemporaryDirectory() as scratch:
        subjects, unread = _subjects(args, Path(scratch))
        records = _measured(args, subjects, method)
        done = {record["model"] for record in records}
        todo = [subject for subject in subjects if subject.model not in done]
        for record in benchmark(todo, method, Path(scratch), show):
            records.append(record | {"machine": machine})
            if args.out:
                _save(args.out, records)
    return records, unread


def _measured(args, subjects: list, method) -> list[dict]:
    """The records of --out, of those models that it has as they are asked for now."""
    from export.benchmark.comparing import covered
    from export.tables.speed import read_records

    if not args.resume or not args.out.exists():
        return []
    return covered(read_records(args.out), subjects, method.batches, method.threads)


def _subjects(args, scratch: Path) -> tuple[list, list[str]]:
    """The artifacts, the Keras model of each before them, and a line for each without use."""
    from export.benchmark.subjects import keras_subjects, stock_subject, subjects_of, torch_subjects
    from export.errors import ArtifactError
    from export.report.artifact import read_artifact
    from export.report.file import reports_below

    found, unread, models = [], [], set()
    for named in args.artifacts:
        for folder in reports_below(named) or [named]:
            try:
                artifact, measured = read_artifact(folder), subjects_of(folder)
            except ArtifactError as error:
                if args.artifacts == [folder]:
                    raise
                unread.append(str(error))
                continue
            if artifact.model not in models:
                models.add(artifact.model)
                found += [] if args.no_keras else keras_subjects(artifact, *_builder(artifact))
                found += torch_subjects(artifact, _network(artifact)) if args.torch else []
            found += measured
            if args.stock:
                found.append(stock_subject(artifact, *_builder(artifact), scratch / "stock"))
    return [subject for subject in found if subject], unread


def _network(artifact) -> str:
    """The catalog's name of its network, which is torchvision's too; else its own name."""
    from keras_nets.sources.catalog import network

    return network(artifact.model, artifact.model_source) or artifact.model


def _builder(artifact) -> tuple[str, dict]:
    """What builds the Keras model again in a process of its own, and with which arguments."""
    built = {"classes": artifact.classes, "image": artifact.image, "flavour": artifact.flavour}
    return "keras_nets.sources.rebuilding:rebuild_reported", {
        "model": artifact.model,
        "options": {**built, "seed": artifact.seed},
        "source": artifact.model_source,
        "weights": artifact.source,
    }


def _save(path: Path, records: list[dict]) -> None:
    from export.files import write_whole
    from export.tables.speed import as_csv

    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, as_csv(records) if path.suffix == ".csv" else lines)


def _write_page(path: Path, records: list[dict], argv) -> None:
    from export.files import write_whole
    from export.html.speed import render

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(records, ("python", "tools/benchmark.py", *map(str, argv))))


if __name__ == "__main__":
    sys.exit(main())
