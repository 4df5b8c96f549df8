"""Export networks to formats that servers run, and verify each artifact.

    python tools/export.py --model vgg13 --format tftrt-fp16

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function,
keras.applications:Name, or the folder of a SavedModel. Artifacts land in <out>/<model>/<format>/,
each with its report.json. Exit status: 0 all verified, 1 a check failed, 2 something could not be
run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where this very file hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
from dataclasses import dataclass, replace
from functools import partial

from export.backend import require_tensorflow
from export.commandline import options
from export.commandline.paths import need_file, need_folder, need_writable
from export.commandline.spelling import typed
from export.ending import ending
from export.formats.names import NAMES
from export.names import choose
from export.results import BATCH_SIZES
from keras_nets import sources
from keras_nets.catalog import NETS
from keras_nets.sources import catalog
from keras_nets.sources.naming import safe_name
from keras_nets.sources.request import Request, Settled

PATIENCE = 30.0  # seconds for an export of several to clear up after an interrupt
MOST_CLASSES = 100_000  # as keras_nets.weights has it; ImageNet-21k has 21,841


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    kept = "interrupted; artifacts that were there before are as they were"
    with ending(verbose=args.verbose, interrupted=kept):
        requests = [_request(args, words) for words in _models(args.model)]
        formats = _formats(args)
        _check(args, requests)
        _check_places(args.out, args.name and safe_name(args.name), requests, formats)
        require_tensorflow()
        if len(requests) == 1:
            return _export(args, requests[0], formats, argv)
        return _export_each(args, requests, argv)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    options.add_model(parser, f"a file, a function, {_names(NETS)}", required=True, action="append")
    add("--name", metavar="NAME", help="of the folder below --out; the model's own if absent")
    add("--format", required=True, action="append", metavar="NAME", help=_names(NAMES))
    add("--weights", metavar="FILE", help="a weights file, or imagenet; seeded if absent")
    add("--seed", type=options.whole(0, options.SEEDS - 1), default=0, metavar="N",
        help="of seeded weights and of probe images (0)")  # fmt: skip
    add("--out", type=Path, default=Path("exports"), metavar="DIR", help="(exports)")
    add("--image-size", type=options.sizes, metavar="HxW",
        help="or one number; the network's own if absent")  # fmt: skip
    add("--classes", type=options.whole(2, MOST_CLASSES), metavar="N",
        help="what the weights have if absent, 1000 if seeded")  # fmt: skip
    options.add_images(parser)
    add("--labels", type=Path, metavar="FILE", help="a class a line: adds the signature classify")
    add("--batch-sizes", type=options.numbers, default=BATCH_SIZES, metavar="N,N",
        help="that the server will use: TF-TRT keeps an engine for each (1,4,8)")  # fmt: skip
    add("--self-test", action="store_true",
        help="plant 13 known bugs, one at a time, and count how many the checks catch")  # fmt: skip
    options.add_calibration(parser)
    add("--keep-fp32", action="append", default=[], metavar="LAYER",
        help="a layer that formats of fewer bits leave in 32; may be repeated")  # fmt: skip
    options.add_gate(parser)
    options.add_output(parser)
    return parser


def _names(known) -> str:
    return f"{', '.join(known)}, or all; may be repeated"


def _all_of(wanted: list[str], known, kind: str, lead: str) -> list[str]:
    """The names asked for, `all` spelled out; an unknown one raises ValueError."""
    if "all" in map(str.casefold, wanted):
        wanted = known
    return list(dict.fromkeys(choose(name, known, kind, lead) for name in wanted))


def _formats(args) -> list[str]:
    """The formats asked for; `all` leaves out, and says so, those that lack what they need.

    Raises ValueError for one that is unknown, or asked for by its name without what it needs.
    """
    from export.formats import find_format

    wanted = _all_of(args.format, NAMES, "format", "known are")
    if "all" in map(str.casefold, args.format):
        for why in filter(None, (find_format(name).missing for name in wanted)):
            print(f"left out: {why}", file=sys.stderr)
        wanted = [name for name in wanted if not find_format(name).missing]
    lacking = [name for name in wanted if "calibration" in find_format(name).needs]
    if args.calibration or not lacking:
        return wanted
    if "all" not in map(str.casefold, args.format):
        raise ValueError(
            f"{lacking[0]} rounds activations by their ranges, which are taken from pictures; give "
            "a folder of them with --calibration, or --calibration synthetic to go ahead without"
        )
    print(f"left out, because they need --calibration: {', '.join(lacking)}", file=sys.stderr)
    return [name for name in wanted if name not in lacking]


def _models(wanted: list[str]) -> list[str]:
    """The models asked for, those of the catalog by their names, and `all` as all of these.

    Raises ValueError for words that no model can be built of.
    """
    if "all" in map(str.casefold, wanted):
        wanted = [*NETS, *(words for words in wanted if words.casefold() != "all")]
    for words in wanted:
        sources.check(words)
    names = [catalog.find(words).name if catalog.fits(words) else words for words in wanted]
    return list(dict.fromkeys(names))


def _request(args, words: str) -> Request:
    return Request(
        words=words,
        weights=args.weights,
        seed=args.seed,
        classes=args.classes,
        size=args.image_size,
        arguments=tuple(args.model_arg),
        custom_objects=tuple(args.custom_objects),
        allow_unsafe=args.allow_unsafe,
    )


def _check(args, requests: list[Request]) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    if args.weights and args.weights.partition(":")[0] != "imagenet":
        need_file("--weights", Path(args.weights), "a weights file, or imagenet")
    if args.images:
        need_folder("--images", args.images, "a folder of pictures")
    if args.calibration and args.calibration != "synthetic":
        need = need_file if Path(args.calibration).suffix in (".npz", ".json") else need_folder
        need("--calibration", Path(args.calibration), "pictures, an .npz, or synthetic")
    if args.labels:
        need_file("--labels", args.labels, "a text file with a class a line")
    need_writable("--out", args.out)
    if args.name:
        safe_name(args.name)
    if len(requests) > 1 and (args.name or args.model_arg):
        raise ValueError("--name and --model-arg are for one model; export one at a time")
    for request in requests:
        folder = args.calibration if Path(args.calibration or "").is_dir() else None
        named = (
            ("--images", args.images),
            ("--labels", args.labels),
            ("--calibration DIR", folder),
        )
        for option, given in named:
            if given and request.net is None:
                raise ValueError(
                    f"{option} is for networks of the catalog, whose preprocessing is known; leave "
                    f"it out for {request.words}"
                )
        request.check()


def _check_places(out: Path, name: str, requests: list[Request], formats: list[str]) -> None:
    """Raise ExportError where a format has no lane, or an artifact's place is not of an export."""
    from export.formats import find_format
    from export.lanes import check_lanes
    from export.place import check_goals

    check_lanes(find_format(name).lane for name in formats)
    for request in requests:
        if request.net:
            check_goals(out, name or request.words, formats)


def _export(args, request: Request, formats: list[str], argv: list[str]) -> int:
    """Export one model in this process."""
    from export.commandline.display import display
    from export.commandline.next_steps import print_next_steps
    from export.commandline.terminal import print_reports, print_warnings
    from export.pipeline import Export

    with display(args.verbose) as show, Export(args.out, formats, progress=show) as export:
        if request.net and args.weights:
            show(request.words, f"reading {args.weights}")
        settled = request.read_weights(partial(show.bar, request.words))
        pictures = _pictures(args, settled, show)  # what is wrong with them shows at once
        show(request.words, "loading TensorFlow")
        _write(args, settled, pictures, argv, show, export)
        reports = export.judge()
    print_reports(reports, args.json, details=args.verbose or args.layers)
    if not args.json:
        print_next_steps(reports)
        print_warnings(reports)
    return 0 if all(report.passed for report in reports) else 1


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The user's pictures, labels, and how the one becomes what the other is of."""

    images: object = None  # float32 (n, height, width, channels)
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    recipe: object = None
    calibration: object = None


def _calibration(args, settled: Settled, show):
    """What --calibration names, or None; pictures are read through the network's preprocessing."""
    if not args.calibration:
        return None
    from export.calibration import reading

    how = {"count": args.calibration_count, "method": args.calibration_method}
    if args.calibration == reading.SYNTHETIC:
        return reading.synthetic(**how)
    path = Path(args.calibration)
    if not path.is_dir():
        return reading.of_file(path, **how)
    from keras_nets.preprocess import preprocess
    from keras_nets.spread import spread_pictures

    show(settled.request.words, f"reading pictures of {path}")
    read = partial(preprocess, recipe=settled.recipe())
    return reading.of_pictures(spread_pictures(path, args.seed), read, path.name, **how)


def _pictures(args, settled: Settled, show) -> Pictures:
    """Read the files of --images and --labels, without TensorFlow."""
    calibration = _calibration(args, settled, show)
    if not (args.labels or args.images):
        return Pictures(calibration=calibration)
    from export.signatures.labels import read_labels
    from keras_nets.preprocess import choose_sample, preprocess_sample

    recipe = settled.recipe()
    labels = read_labels(args.labels, settled.classes) if args.labels else ()
    if not args.images:
        return Pictures(labels=labels, recipe=recipe, calibration=calibration)
    show(settled.request.words, f"reading pictures of {args.images}")
    images = preprocess_sample(args.images, recipe)
    names = tuple(path.name for path in choose_sample(args.images))
    return Pictures(
        images=images, names=names, labels=labels, recipe=recipe, calibration=calibration
    )


def _write(args, settled: Settled, pictures: Pictures, argv: list[str], show, export) -> None:
    """Build the model, and write the artifacts; the model is gone when this returns."""
    prepared = _prepare(args, settled, show)
    asked = _options(args, prepared, pictures, argv)
    export.write(prepared.model, images=pictures.images, options=asked)


def _prepare(args, settled: Settled, show):
    """Build the model, fill it, and say where its weights are from."""
    words = settled.request.words
    seeds = settled.request.net and not args.weights
    show(words, f"seeding weights: {args.seed}" if seeds else f"reading {args.weights or words}")
    prepared = settled.prepare()
    if prepared.file_sha256:
        show(words, f"read weights with the file's sha256 {prepared.file_sha256}")
    if prepared.note:
        show(words, f"weights {prepared.note}")
    return prepared


def _options(args, prepared, pictures: Pictures, argv: list[str]):
    from export.compression.content import learned_ranges
    from export.gate.examine import GateOptions
    from export.options import Options
    from export.pictures import Shown

    shown = Shown(pictures.names, pictures.labels) if pictures.names else None
    compression, calibration = _compression(args.weights or prepared.model_source.source), None
    if pictures.calibration:
        learned = learned_ranges(compression) if args.ranges == "learned" else {}
        calibration = replace(pictures.calibration, learned=learned)
    return Options(
        weights_source=prepared.source,
        weights_file_sha256=prepared.file_sha256,
        weights_note=prepared.note,
        flavour=prepared.flavour,
        batch_sizes=args.batch_sizes,
        seed=args.seed,
        command=(*typed("export"), *argv),
        wish=GateOptions(
            self_test=args.self_test,
            strict=args.strict,
            layers=args.layers,
            partial_engines=args.partial_engines,
            shown=shown,
            require=args.require,
        ),
        labels=pictures.labels,
        recipe=pictures.recipe,
        keep_fp32=tuple(args.keep_fp32),
        calibration=calibration,
        min_agreement=args.min_agreement,
        model_source=prepared.model_source.as_dict(),
        name=safe_name(args.name or prepared.model.name),
        compression=compression,
    )


def _compression(file: str) -> dict:
    """What the compression.json beside a `.keras` file says; empty without one."""
    from export.compression.content import read_beside

    return (read_beside(Path(file)) or {}) if file.endswith(".keras") else {}


def _export_each(args, requests: list[Request], argv: list[str]) -> int:
    """Export several networks, each in a process of its own, which ends with its memory."""
    from export.commandline.next_steps import print_next_steps
    from export.commandline.terminal import print_reports, print_summary, print_warnings
    from export.process import output_of
    from export.report.file import from_dict

    command = [sys.executable, str(Path(__file__).resolve()), *options.without_models(argv)]
    statuses, reports = [], []
    for request in requests:
        status, printed = output_of([*command, "--json", "--model", request.words], PATIENCE)
        statuses.append(status)
        written = [from_dict(json.loads(line)) for line in printed.splitlines()]
        reports += [replace(one, folder=str(args.out / one.model / one.format)) for one in written]
        if args.json:
            print_reports(written, as_json=True)
    if not args.json:
        print_summary(reports)
        print_next_steps(reports)
        print_warnings(reports)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
