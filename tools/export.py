"""Export networks to formats that servers run, and verify each artifact.

    python tools/export.py --model vgg13 --format tftrt-fp16

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function,
keras.applications:Name, or the folder of a SavedModel. Artifacts land in <out>/<model>/<format>/,
each with its report.json. Of several formats, those that a model does not go into are named in a
line each, and the others are made. Exit status: 0 all verified, 1 a check failed, 2 something could
not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where this very file hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import export
import keras_nets
from export.backend import load_keras, require_tensorflow
from export.commandline import options
from export.commandline.calibrated import add_calibration, check_calibration, read_calibration
from export.commandline.compared import NONE, add_compared, check_compared, read_inputs
from export.commandline.each import export_each
from export.commandline.formats import wanted_formats
from export.commandline.paths import need_file, need_weights, need_writable
from export.commandline.spelling import typed
from export.ending import IMPOSSIBLE, ending, leave
from export.formats.names import NAMES
from export.results import BATCH_SIZES
from keras_nets import sources
from keras_nets.catalog import MOST_CLASSES, NETS
from keras_nets.sources import read_arguments
from keras_nets.sources.naming import safe_name
from keras_nets.sources.request import Request, Settled


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    kept = "interrupted; artifacts that were there before are as they were"
    with ending(verbose=args.verbose, interrupted=kept):
        requests = [Request.of(args, words) for words in sources.chosen(args.model)]
        formats = wanted_formats(args.format, calibrated=bool(args.calibration))
        _check(args, requests)
        _check_places(args.out, args.name and safe_name(args.name), requests, formats)
        require_tensorflow()
        if len(requests) == 1:
            return _export(args, requests[0], formats, argv)
        own = options.without_models(argv)
        words = [request.words for request in requests]
        return export_each(Path(__file__).resolve(), own, words, args.out, args.json)


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
    add_compared(parser)
    add("--labels", type=Path, metavar="FILE", help="a class a line: adds the signature classify")
    add("--batch-sizes", type=options.numbers, default=BATCH_SIZES, metavar="N,N",
        help="that the server will use: TF-TRT keeps an engine for each (1,4,8)")  # fmt: skip
    add("--self-test", action="store_true",
        help="plant 13 known bugs, one at a time, and count how many the checks catch")  # fmt: skip
    add("--jobs", type=options.whole(1), metavar="N",
        help="processes that open artifacts at once; as many as cores, while they take 1.5 GB "
        "together, 3.5 with --self-test, and half of the free memory, if absent")  # fmt: skip
    add_calibration(parser)
    add("--keep-fp32", action="append", default=[], metavar="LAYER",
        help="a layer that formats of fewer bits leave in 32; may be repeated")  # fmt: skip
    options.add_gate(parser)
    options.add_output(parser)
    return parser


def _names(known) -> str:
    return f"{', '.join(known)}, or all; may be repeated"


def _check(args, requests: list[Request]) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    need_weights(args.weights)
    check_compared(args)
    check_calibration(args)
    if args.labels:
        need_file("--labels", args.labels, "a text file with a class a line")
    need_writable("--out", args.out)
    if args.name:
        safe_name(args.name)
    if len(requests) > 1 and (args.name or args.model_arg or args.inputs):
        raise ValueError("--name, --model-arg and --inputs are for one model; export one at a time")
    for request in requests:
        _check_pictures(args, request)
        request.check()


def _check_pictures(args, request: Request) -> None:
    """Raise ValueError where it is not known how pictures become inputs of a model."""
    if args.preprocess is None and request.net:
        return
    from keras_nets import recipes

    if args.preprocess is not None:
        recipes.of_option(args.preprocess, request.words, bool(request.net))
        return
    folder = args.calibration if Path(args.calibration or "").is_dir() else None
    named = (("--images", args.images), ("--labels", args.labels), ("--calibration DIR", folder))
    for option, given in named:
        if given and recipes.of_model(request.words, read_arguments(request.arguments)) is None:
            raise ValueError(
                f"{option} takes pictures, and how they become inputs of {request.words} is not "
                "known; say it with --preprocess, as in scale=127.5,mean=127.5"
            )


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
    from export.commandline.terminal import print_reports, print_unable, print_warnings
    from export.pipeline import Export

    with (
        display(args.verbose) as show,
        Export(args.out, formats, progress=show, patient=True) as export,
    ):
        if request.net and args.weights:
            show(request.words, f"reading {args.weights}")
        settled = request.read_weights(partial(show.bar, request.words))
        given = read_inputs(args)  # what is wrong with it, or with pictures, shows at once
        early = request.net and _pictures(args, request, settled.classes, settled.recipe, show)
        show(request.words, "loading TensorFlow")
        load_keras()
        _write(args, settled, early, given, (argv, show), export)
        reports = export.judge()
    print_reports(reports, args.json, details=args.verbose or args.layers)
    if not args.json:
        print_next_steps(reports)
        print_warnings(reports)
    print_unable(export.unable)
    if export.unable:
        return IMPOSSIBLE
    return 0 if all(report.passed for report in reports) else 1


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The user's pictures, labels, and how the one becomes what the other is of."""

    images: object = None  # float32 (n, height, width, channels)
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    recipe: object = None
    calibration: object = None


def _pictures(args, request: Request, classes: int, recipe: Callable, show) -> Pictures:
    """Read the files of --images, --labels and --calibration; `recipe` is asked where they need it.

    That is without TensorFlow.
    """
    calibration = _calibration(args, request, recipe, show)
    if not (args.labels or args.images):
        return Pictures(calibration=calibration)
    from export.signatures.labels import read_labels
    from keras_nets.preprocess import choose_sample, preprocess_sample

    known = recipe()
    labels = read_labels(args.labels, classes) if args.labels else ()
    found = Pictures(labels=labels, recipe=known, calibration=calibration)
    if not args.images:
        return found
    show(request.words, f"reading pictures of {args.images}")
    names = tuple(path.name for path in choose_sample(args.images))
    return replace(found, images=preprocess_sample(args.images, known), names=names)


def _calibration(args, request: Request, recipe: Callable, show):
    """What --calibration names, or None; pictures are read through the network's preprocessing."""

    def pictures(folder: Path):
        from keras_nets.preprocess import preprocess
        from keras_nets.spread import spread_pictures

        show(request.words, f"reading pictures of {args.calibration}")
        return spread_pictures(folder, args.seed), partial(preprocess, recipe=recipe())

    return read_calibration(args, (export, keras_nets), pictures)


def _write(args, settled: Settled, early, given, how: tuple, export) -> None:
    """Build the model, and write the artifacts; the model is gone when this returns.

    `early` are the pictures of a network of the catalog; those of another wait for its size.
    """
    from keras_nets.recipes import as_report

    argv, show = how
    prepared = _prepare(args, settled, show)
    kept, pictures = {}, early
    if not early:
        classifier, recipe = _taken_by(args, settled.request, prepared.model)
        kept = as_report(recipe) if recipe else {}
        classes = classifier and classifier.classes
        pictures = _pictures(args, settled.request, classes, lambda: recipe, show)
    asked = _options(args, prepared, pictures, argv)
    asked = replace(asked, preprocess=kept, inputs=given.as_dict() if given else {})
    export.write(prepared.model, images=given.batch if given else pictures.images, options=asked)


def _taken_by(args, request: Request, model) -> tuple:
    """The Classifier that a model outside the catalog is, and its Recipe; None for what it lacks.

    Raises ValueError where pictures are asked for and it takes none.
    """
    from export.contract import in_words
    from export.skeleton.accepted import accept
    from export.skeleton.full_precision import in_full_precision
    from export.skeleton.wrapped import functional_of
    from keras_nets import recipes

    known = recipes.read_words(args.preprocess) if args.preprocess else None
    found = known or recipes.of_model(request.words, read_arguments(request.arguments))
    if found is None:
        return None, None
    contract = accept(in_full_precision(functional_of(model, None))[0])
    if contract.classifier:
        return contract.classifier, found.recipe(contract.classifier.image)
    if known or args.images or args.labels:
        raise ValueError(
            f"--preprocess, --images and --labels are of classifiers of pictures, and {model.name} "
            f"takes {in_words(contract.inputs)} and gives {in_words(contract.outputs)}"
        )
    return None, None


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
        probes=args.probes != NONE,
        jobs=args.jobs,
    )


def _compression(file: str) -> dict:
    """What the compression.json beside a `.keras` file says; empty without one."""
    from export.compression.content import read_beside

    return (read_beside(Path(file)) or {}) if file.endswith(".keras") else {}


if __name__ == "__main__":
    leave(main())
