"""Check an exported artifact again, hashes included.

    python tools/verify.py exports/vgg13/tftrt-fp16
    python tools/verify.py exports/

The Keras model is built again from what report.json says, and every check is made anew; on a
machine with a GPU a TF-TRT engine itself is run too. Then the gate is tested: thirteen bugs are put
into the artifact in memory, one at a time, and each should fail a check. Below a folder that is no
artifact itself, every artifact is checked. Nothing is written. Exit status: 0 verified, 1 a check
failed, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from collections.abc import Callable

from export.commandline import options
from export.commandline.compared import NONE, add_compared, check_compared, read_inputs
from export.commandline.paths import need_file
from export.ending import ending, leave
from export.errors import ArtifactError, ExportError
from export.printable import printable
from keras_nets import sources
from keras_nets.errors import SourceError
from keras_nets.prepare import SEEDED, Prepared, seed_of
from keras_nets.sources import catalog
from keras_nets.sources.rebuilding import builder
from keras_nets.sources.request import Request


def main(argv=None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.strict and args.no_self_test:
        parser.error("--strict is a matter of the self-test, which --no-self-test leaves out")
    with ending(verbose=args.verbose):
        return _verify(args)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("artifacts", nargs="+", type=Path, metavar="DIR",
        help="such as exports/vgg13/onnx, or a folder with artifacts at any depth")  # fmt: skip
    add("--weights", type=Path, metavar="FILE",
        help="the weights file, if it has moved since the export")  # fmt: skip
    options.add_model(parser, "what the artifact was made of, where its report cannot say it: a "
        "file, a function or a name, as for export")  # fmt: skip
    add_compared(parser)
    add("--no-self-test", action="store_true", help="do not test the gate on planted bugs")
    options.add_gate(parser)
    add("--ignore-hash", action="store_true", help="do not compare with the report's hashes")
    options.add_output(parser)
    return parser


def _verify(args) -> int:
    from export.backend import require_tensorflow
    from export.commandline.display import display
    from export.commandline.terminal import print_reports, print_summary, print_warnings
    from keras_nets.recipes import read_words

    require_tensorflow()
    if args.weights:
        need_file("--weights", args.weights, "a weights file")
    if args.model:
        sources.check(args.model)
    elif args.model_arg or args.custom_objects:
        raise ValueError("--model-arg and --custom-objects are for the model that --model names")
    check_compared(args)
    if args.preprocess:
        read_words(args.preprocess)
    artifacts, unable = _artifacts(args)  # read before TensorFlow loads
    reports = []
    with display(args.verbose) as show:
        for folder, content, build in artifacts:
            try:
                reports.append(_verify_one(args, folder, content, build, show))
            except (ExportError, ValueError) as error:
                unable.append(_alone(args, folder, error))
    several = len(reports) + len(unable) > 1
    failed = [report for report in reports if not report.passed]
    wanted = failed if several and not args.verbose else reports
    print_reports(reports if args.json else wanted, args.json, details=args.verbose or args.layers)
    if not args.json:
        if several:
            print_summary(reports, costs=False)
        print_warnings(reports)
    for line in unable:
        print(f"error: {line}", file=sys.stderr)
    return 2 if unable else 1 if failed else 0


def _artifacts(args) -> tuple[list[tuple], list[str]]:
    """(folder, report, what builds its model) of each artifact, and a line for each of no use.

    Those are an error where only one artifact was named.
    """
    from export.report.file import read_report, reports_below

    found, unable = [], []
    for named in args.artifacts:
        for folder in reports_below(named) or [named]:
            try:
                report = read_report(folder)
                found.append((folder, report, _builder(args, folder, report)))
            except (ExportError, ValueError) as error:
                unable.append(_alone(args, folder, error))
    return found, unable


def _alone(args, folder: Path, error: Exception) -> str:
    """The line of an error of one artifact of several; raise it where there is but one."""
    if args.artifacts == [folder]:
        raise error
    line = f"{error}"
    return line if line.startswith(f"{folder}") else f"{folder}: {line}"


def _verify_one(args, folder: Path, report, build, show):
    from export.backend import load_keras
    from export.gate.examine import GateOptions
    from export.pipeline import Verification

    gate = GateOptions(
        self_test=not args.no_self_test,
        strict=args.strict,
        layers=args.layers,
        partial_engines=args.partial_engines,
        require=args.require,
    )
    with Verification(folder, progress=show) as verification:
        if "tensorflow" not in sys.modules:
            show(report.model, "loading TensorFlow")
            load_keras()
        _observe(args, report, build, show, verification)
        return verification.judge(compare_hashes=not args.ignore_hash, gate=gate)


def _observe(args, report, build, show, verification) -> None:
    """Build the model, and take its word; the model is gone when this returns."""
    weights = args.weights or report.weights["source"]
    seeded = str(weights).startswith(SEEDED)
    show(report.model, "seeding weights" if seeded else f"reading {args.model or weights}")
    prepared = build()
    if prepared.note:
        show(report.model, prepared.note)
    given = read_inputs(args)
    if note := _unlike(report, given):
        show(report.model, note)
    images = given.batch if given else _images(args, report, prepared) if args.images else None
    probes = None if args.probes is None else args.probes != NONE
    entry = given.as_dict() if given else {}
    verification.observe(prepared.model, images=images, probes=probes, given=entry)


def _images(args, report, prepared: Prepared):
    """The pictures of --images as the model takes them."""
    from export.contract import Contract
    from keras_nets.preprocess import preprocess_sample
    from keras_nets.recipes import known_recipe

    content = report.contract
    classifier = Contract.from_dict(content).classifier if content else None
    image = classifier.image if classifier else report.options.get("image")
    if not image:
        raise ValueError(
            f"--images is for classifiers of pictures, and {report.model} is none; give arrays "
            "with --inputs FILE.npz"
        )
    recipe = known_recipe(
        tuple(image),
        words=args.preprocess,
        model=report.model,
        options={**report.options, "flavour": prepared.flavour},
        source=prepared.model_source.as_dict(),
    )
    if recipe is None:
        raise ValueError(
            f"--images takes pictures, and how they become inputs of {report.model} is not known; "
            "say it with --preprocess, as in scale=127.5,mean=127.5"
        )
    return preprocess_sample(args.images, recipe)


def _unlike(report, given) -> str:
    """Where the inputs to compare on are not those of the export, a sentence about it."""
    before = report.options.get("inputs")
    if not isinstance(before, dict) or not before:
        return ""
    if given and given.sha256 == before.get("sha256"):
        return ""
    what = f"{given.source} is another file" if given else "it is not given now"
    return printable(
        f"the export was compared on {before.get('count')} inputs of {before.get('source')}, too "
        f"(sha256 {str(before.get('sha256'))[:12]}...), and {what}"
    )


def _builder(args, folder: Path, report) -> Callable[[], Prepared]:
    """A function that builds and fills the artifact's model.

    Raises ArtifactError where the report does not say how, or what it says is not there.
    """
    request, weights = Request.of(args), str(args.weights or report.weights["source"])
    try:
        build = builder(
            request,
            model=report.model,
            options=report.options,
            source=report.model_source,
            weights=report.weights["source"],
        )
    except SourceError as error:
        raise ArtifactError(f"{folder}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}/report.json does not say how to build {report.model}: {error!r}; "
            "export it again"
        ) from error
    net = request.net if args.model else catalog.network(report.model, report.model_source)
    if net and seed_of(weights) is None and not Path(weights).exists():
        raise ArtifactError(
            f"{folder} was made from {weights}, which is not there; name its file with --weights, "
            "or the whole model with --model"
        )
    return build


if __name__ == "__main__":
    leave(main())
