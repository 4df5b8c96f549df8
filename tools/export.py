"""Export networks to formats that servers run, and verify each artifact.

    python tools/export.py --model vgg13 --format tftrt-fp16

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function, or
keras.applications:Name. Artifacts land in <out>/<model>/<format>/, each with its report.json. Exit
status: 0 all verified, 1 a check failed, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where this very file hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
from dataclasses import replace
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
from keras_nets.sources import catalog, read_arguments
from keras_nets.sources.naming import safe_name

PATIENCE = 30.0  # seconds for an export of several to clear up after an interrupt
MOST_CLASSES = 100_000  # as keras_nets.weights has it; ImageNet-21k has 21,841


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    kept = "interrupted; artifacts that were there before are as they were"
    with ending(verbose=args.verbose, interrupted=kept):
        models = _models(args.model)
        formats = _all_of(args.format, NAMES, "format", "known are")
        _check(args, models)
        _check_places(args.out, args.name and safe_name(args.name), models, formats)
        require_tensorflow()
        if len(models) == 1:
            return _export(args, models[0], formats, argv)
        return _export_each(args, models, argv)


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


def _check(args, models: list[str]) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    if args.weights and args.weights.partition(":")[0] != "imagenet":
        need_file("--weights", Path(args.weights), "a weights file, or imagenet")
    if args.images:
        need_folder("--images", args.images, "a folder of pictures")
    if args.labels:
        need_file("--labels", args.labels, "a text file with a class a line")
    need_writable("--out", args.out)
    if args.name:
        safe_name(args.name)
    read_arguments(args.model_arg)
    if len(models) > 1 and (args.name or args.model_arg):
        raise ValueError("--name and --model-arg are for one model; export one at a time")
    for words in models:
        if catalog.fits(words) and args.model_arg:
            raise ValueError(
                f"--model-arg is for functions; {words} takes --classes and --image-size"
            )
        if catalog.fits(words):
            net = catalog.find(words)
            _check_size(args, net, net.flavours if args.weights else net.flavours[:1])
        else:
            _check_other(args, words)


def _check_other(args, words: str) -> None:
    """Raise ValueError for options that only networks of the catalog have."""
    for option, given in (("--images", args.images), ("--labels", args.labels)):
        if given:
            raise ValueError(
                f"{option} is for networks of the catalog, whose preprocessing is known; leave it "
                f"out for {words}"
            )
    for option, given in (("--image-size", args.image_size), ("--classes", args.classes)):
        if given:
            raise ValueError(
                f"{option} is for networks of the catalog; {words} takes what it is built with by "
                "--model-arg KEY=VALUE"
            )


def _check_places(out: Path, name: str, models: list[str], formats: list[str]) -> None:
    """Raise ExportError where an artifact's place is taken by what no export made."""
    from export.place import check_goals

    for words in models:
        if catalog.fits(words):
            check_goals(out, name or words, formats)


def _check_size(args, net, flavours: tuple[str, ...]) -> None:
    """Raise ValueError where the image is too small for each of `flavours`."""
    size = args.image_size or net.image[:2]
    smallest = min(net.smallest[flavour] for flavour in flavours)
    if min(size) < smallest:
        raise ValueError(
            f"{net.name} takes images of at least {smallest}x{smallest} pixels. "
            f"Received: --image-size {size[0]}x{size[1]}"
        )


def _export(args, words: str, formats: list[str], argv: list[str]) -> int:
    """Export one model in this process."""
    from export.commandline.display import display
    from export.commandline.next_steps import print_next_steps
    from export.commandline.terminal import print_reports, print_warnings
    from export.pipeline import Export

    with display(args.verbose) as show, Export(args.out, formats, progress=show) as export:
        inputs = _read_inputs(args, words, show)  # which shows at once what is wrong with them
        show(words, "loading TensorFlow")
        _write(args, words, argv, inputs, show, export)
        reports = export.judge()
    print_reports(reports, args.json, details=args.verbose or args.layers)
    if not args.json:
        print_next_steps(reports)
        print_warnings(reports)
    return 0 if all(report.passed for report in reports) else 1


def _read_inputs(args, words: str, show) -> dict:
    """The files that the command line names, as far as they are read without TensorFlow.

    Its keys are arguments: `weights` (path or None), `images`, `shown`, `labels` and `recipe`.
    """
    if not catalog.fits(words):
        return {
            "weights": args.weights,
            "images": None,
            "shown": None,
            "labels": (),
            "recipe": None,
        }
    net = catalog.find(words)
    weights, flavour, classes = None, net.flavours[0], args.classes or 1000
    if args.weights:
        from keras_nets.weights import identify_weights, resolve_weights

        show(net.name, f"reading {args.weights}")
        weights = str(resolve_weights(net, args.weights, partial(show.bar, net.name)))
        identity = identify_weights(net, weights)
        flavour, classes = identity.flavour, identity.classes or args.classes
        _check_size(args, net, (flavour,))
        if args.classes not in (None, classes):
            raise ValueError(
                f"{weights} has {classes} classes, and --classes asks for {args.classes}; "
                "leave --classes out to take the file's"
            )
    given = {"weights": weights, "images": None, "shown": None, "labels": (), "recipe": None}
    if args.labels or args.images:
        from export.pictures import Shown
        from export.signatures.labels import read_labels
        from keras_nets.preprocess import choose_sample, preprocess_sample, recipe_for_image

        image = (*args.image_size, 3) if args.image_size else net.image
        given["recipe"] = recipe_for_image(net, flavour, image)
        given["labels"] = read_labels(args.labels, classes) if args.labels else ()
    if args.images:
        show(net.name, f"reading pictures of {args.images}")
        given["images"] = preprocess_sample(args.images, given["recipe"])
        names = tuple(path.name for path in choose_sample(args.images))
        given["shown"] = Shown(names, given["labels"])
    return given


def _write(args, words: str, argv: list[str], inputs: dict, show, export) -> None:
    """Build the model, and write the artifacts; the model is gone when this returns."""
    from export.gate.examine import GateOptions
    from export.options import Options

    prepared = _prepare(args, words, inputs["weights"], show)
    asked = Options(
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
            shown=inputs["shown"],
            require=args.require,
        ),
        labels=inputs["labels"],
        recipe=inputs["recipe"],
        keep_fp32=tuple(args.keep_fp32),
        model_source=prepared.model_source.as_dict(),
        name=safe_name(args.name or prepared.model.name),
    )
    export.write(
        prepared.model,
        images=inputs["images"],
        options=asked,
    )


def _prepare(args, words: str, weights: str | None, show):
    """Build the model, fill it, and say where its weights are from."""
    from keras_nets.sources.filling import prepare_source

    seeds = catalog.fits(words) and not args.weights
    show(words, f"seeding weights: {args.seed}" if seeds else f"reading {args.weights or words}")
    image = (*args.image_size, 3) if args.image_size else None
    built = {"classes": args.classes, "image": image}
    arguments = built if catalog.fits(words) else read_arguments(args.model_arg)
    prepared = prepare_source(
        words,
        arguments,
        custom_objects=args.custom_objects,
        allow_unsafe=args.allow_unsafe,
        weights=weights,
        seed=args.seed,
    )
    if prepared.file_sha256:
        show(words, f"read weights with the file's sha256 {prepared.file_sha256}")
    if prepared.note:
        show(words, f"weights {prepared.note}")
    return prepared


def _export_each(args, models: list[str], argv: list[str]) -> int:
    """Export several networks, each in a process of its own, which ends with its memory."""
    from export.commandline.next_steps import print_next_steps
    from export.commandline.terminal import print_reports, print_summary, print_warnings
    from export.process import output_of
    from export.report.file import from_dict

    command = [sys.executable, str(Path(__file__).resolve()), *options.without_models(argv)]
    statuses, reports = [], []
    for model in models:
        status, printed = output_of([*command, "--json", "--model", model], PATIENCE)
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
