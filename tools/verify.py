"""Check an exported artifact again, hashes included.

    python tools/verify.py exports/vgg13/tftrt-fp16

The Keras model is built again from what report.json says, and every check is made anew; on a
machine with a GPU a TF-TRT engine itself is run too. Then the gate is tested: thirteen bugs are put
into the artifact in memory, one at a time, and each should fail a check. Nothing is written. Exit
status: 0 verified, 1 a check failed, 2 could not run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse

from export.commandline.options import named
from export.ending import ending
from export.errors import ArtifactError
from export.required import NAMES
from keras_nets.catalog import find_net


def main(argv=None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.strict and args.no_self_test:
        parser.error("--strict is a matter of the self-test, which --no-self-test leaves out")
    with ending(verbose=args.verbose):
        reports = _verify(args)
    return 0 if all(report.passed for report in reports) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("artifacts", nargs="+", type=Path, metavar="DIR", help="such as exports/vgg13/onnx")
    add("--weights", metavar="FILE", help="where they no longer lie where the report says")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="pictures to compare on, beside seeded probes; of a large folder a sample",
    )
    add("--no-self-test", action="store_true", help="do not test the gate on mutants")
    add("--strict", action="store_true", help="fail where a mutant slips through")
    add("--layers", action="store_true", help="compare layer by layer, even where all is well")
    add("--require", action="append", default=[], metavar="CHECK", type=named(NAMES, "check"),
        help=f"fail where it is skipped: {', '.join(NAMES)}; may be repeated")  # fmt: skip
    add("--ignore-hash", action="store_true", help="do not compare with the report's hashes")
    add("--json", action="store_true", help="a line of JSON for each artifact on stdout")
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _verify(args) -> list:
    from export.display import display
    from export.report import read_report
    from export.terminal import print_reports

    told = [(folder, read_report(folder)) for folder in args.artifacts]  # before TensorFlow loads
    with display(args.verbose) as show:
        reports = [_verify_one(args, folder, report, show) for folder, report in told]
    print_reports(reports, args.json)
    return reports


def _verify_one(args, folder: Path, told, show):
    show(told.format, "loading TensorFlow")
    from export.gate.examine import Wish
    from export.pipeline import judge_again

    looked, expected = _look(args, folder, told, show)
    return judge_again(
        looked,
        expected=expected,
        compare_hashes=not args.ignore_hash,
        wish=Wish(
            self_test=not args.no_self_test,
            strict=args.strict,
            layers=args.layers,
            require=args.require,
        ),
        progress=show,
    )


def _look(args, folder: Path, told, show):
    """Build the model and take its word. It is gone when this returns, and its memory with it."""
    from export.checks import Expected
    from export.pipeline import look
    from keras_nets.prepare import prepare
    from keras_nets.preprocess import preprocess_sample, recipe_for_image

    net, source, seed, built = _what_was_built(folder, told)
    seeded = seed is not None and not args.weights
    weights = None if seeded else args.weights or source
    if weights and not Path(weights).exists():
        raise ArtifactError(
            f"{folder} was made from {source}, which is not there; name its file with --weights"
        )
    show(told.model, "seeding weights" if seeded else f"reading {weights}")
    prepared = prepare(net, weights, seed=seed if seeded else 0, **built)
    expected = Expected.of(prepared.counts, f"{net.paper}, flavour {prepared.flavour}")
    images = None
    if args.images:
        recipe = recipe_for_image(net, prepared.flavour, built["image"])
        images = preprocess_sample(args.images, recipe)
    return look(folder, prepared.model, images=images, progress=show), expected


def _what_was_built(folder: Path, told) -> tuple:
    """The network, the source of its weights, their seed if they had one, and how it was built."""
    net = find_net(told.model)
    try:
        source, options = told.weights["source"], told.options
        built = {
            "classes": options["classes"],
            "image": tuple(options["image"]),
            "flavour": options["flavour"] or None,
        }
        seed = int(source.partition(":")[2]) if source.startswith("seeded:") else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}/report.json does not say how to build {told.model}: {error!r}; "
            "export it again"
        ) from error
    return net, source, seed, built


if __name__ == "__main__":
    sys.exit(main())
