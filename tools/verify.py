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

from export.commandline import options
from export.commandline.paths import need_file, need_folder
from export.ending import ending
from export.errors import ArtifactError, ExportError
from keras_nets.catalog import NETS
from keras_nets.prepare import seed_of


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
    add("--model", type=Path, metavar="FILE.keras",
        help="the whole model as Keras saved it, where it is none of the catalog")  # fmt: skip
    options.add_images(parser)
    add("--no-self-test", action="store_true", help="do not test the gate on planted bugs")
    options.add_gate(parser)
    add("--ignore-hash", action="store_true", help="do not compare with the report's hashes")
    options.add_output(parser)
    return parser


def _verify(args) -> int:
    from export.backend import require_tensorflow
    from export.commandline.display import display
    from export.commandline.terminal import print_reports, print_summary, print_warnings

    require_tensorflow()
    if args.weights:
        need_file("--weights", args.weights, "a weights file")
    if args.model:
        need_file("--model", args.model, "a .keras file")
        if args.model.suffix != ".keras":
            raise ValueError(
                f"--model {args.model} is no .keras file; save the model with model.save('x.keras')"
            )
    if args.images:
        need_folder("--images", args.images, "a folder of pictures")
    artifacts, unable = _artifacts(args)  # read before TensorFlow loads
    reports = []
    with display(args.verbose) as show:
        for folder, content, origin in artifacts:
            try:
                reports.append(_verify_one(args, folder, content, origin, show))
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
    """(folder, report, what it was made of) of each artifact, and a line for each that has no use.

    Those are an error where only one artifact was named.
    """
    from export.report.file import read_report, reports_below

    found, unable = [], []
    for named in args.artifacts:
        for folder in reports_below(named) or [named]:
            try:
                report = read_report(folder)
                found.append((folder, report, _origin(args, folder, report)))
            except (ExportError, ValueError) as error:
                unable.append(_alone(args, folder, error))
    return found, unable


def _alone(args, folder: Path, error: Exception) -> str:
    """The line of an error of one artifact of several; raise it where there is but one."""
    if args.artifacts == [folder]:
        raise error
    line = f"{error}"
    return line if line.startswith(f"{folder}") else f"{folder}: {line}"


def _verify_one(args, folder: Path, report, origin, show):
    from export.gate.examine import GateOptions
    from export.pipeline import Verification

    gate = GateOptions(
        self_test=not args.no_self_test,
        strict=args.strict,
        layers=args.layers,
        require=args.require,
    )
    with Verification(folder, progress=show) as verification:
        if "tensorflow" not in sys.modules:
            show(report.model, "loading TensorFlow")
        _observe(args, report, origin, show, verification)
        return verification.judge(compare_hashes=not args.ignore_hash, gate=gate)


def _observe(args, report, origin, show, verification) -> None:
    """Build the model, and take its word; the model is gone when this returns."""
    from keras_nets.prepare import load_saved, rebuild
    from keras_nets.preprocess import preprocess_sample, recipe_for_image

    if args.model:
        show(report.model, f"reading {args.model}")
        verification.observe(load_saved(args.model))
        return
    seeded = seed_of(origin["source"]) is not None
    show(report.model, "seeding weights" if seeded else f"reading {origin['source']}")
    prepared = rebuild(**origin)
    images = None
    if args.images:
        recipe = recipe_for_image(NETS[report.model], prepared.flavour, origin["image"])
        images = preprocess_sample(args.images, recipe)
    verification.observe(prepared.model, images=images)


def _origin(args, folder: Path, report) -> dict | None:
    """Arguments of `keras_nets.prepare.rebuild` for the artifact's model; None with --model.

    Raises ArtifactError where the report does not say, or what it says is not there.
    """
    if args.model:
        if args.images:
            raise ValueError(
                "--images is for networks of the catalog, whose preprocessing is known; "
                "leave it out, or give `images` to export.verify in Python"
            )
        return None
    if report.model not in NETS:
        raise ArtifactError(
            f"{folder} is of {report.model!r}, which the catalog does not have; name its model, as "
            "Keras saved it, with --model FILE.keras, or in Python call "
            f"export.verify(model, {str(folder)!r})"
        )
    try:
        source, asked = str(args.weights or report.weights["source"]), report.options
        origin = {
            "name": report.model,
            "source": source,
            "classes": asked["classes"],
            "image": tuple(asked["image"]),
            "flavour": asked["flavour"],
        }
        seeded = seed_of(source) is not None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}/report.json does not say how to build {report.model}: {error!r}; "
            "export it again"
        ) from error
    if not seeded and not Path(source).exists():
        raise ArtifactError(
            f"{folder} was made from {source}, which is not there; name its file with --weights, "
            "or the whole model with --model"
        )
    return origin


if __name__ == "__main__":
    sys.exit(main())
