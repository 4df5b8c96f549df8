"""Measure top-1 and top-5 of exported artifacts on labelled pictures, beside their Keras model.

    python tools/evaluate.py exports/vgg13/onnx exports/vgg13/tftrt-fp16 --images imagenet/val

The pictures lie in one folder a class, whose sorted names are the classes, or --labels lists them
in lines `name index`. The table goes to standard output, everything else to standard error. Exit
status: 0 measured, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
import os
import shutil
from functools import partial

import export
import keras_nets
from export.commandline import options
from export.commandline.compared import add_preprocess
from export.commandline.engine import RAY, add_engine, check_engine, cluster_of
from export.commandline.paths import need_file, need_folder
from export.ending import ending
from export.errors import ArtifactError
from keras_nets import sources
from keras_nets.catalog import NETS
from keras_nets.sources import catalog
from keras_nets.sources.rebuilding import build_model, builder
from keras_nets.sources.request import Request

LISTED = 20  # broken pictures named on standard error; the JSON has them all


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(interrupted="stopped; go on with --resume"):
        return _run(args)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("artifacts", nargs="+", type=Path, metavar="ARTIFACT", help="such as exports/vgg13/onnx")
    add("--images", required=True, type=Path, metavar="DIR")
    add("--labels", type=Path, metavar="FILE", help="lines 'name index' of pictures or folders")
    add("--weights", type=Path, metavar="FILE",
        help="of the Keras model, if they have moved since the export")  # fmt: skip
    options.add_model(parser, "the Keras model, where the report cannot say it: a file, a function "
        "or a name, as for export")  # fmt: skip
    add("--net", type=options.named(NETS, "network"), metavar="NAME",
        help="as --preprocess NAME, of the catalog alone")  # fmt: skip
    add_preprocess(parser)
    add("--no-keras", action="store_true", help="leave the Keras model out")
    add("--batch", type=options.positive, default=16, metavar="N", help="pictures (16)")
    add("--workers", type=options.positive, metavar="N",
        help="processes that decode (half the cores), or actors of Ray (all cores)")  # fmt: skip
    add_engine(parser, "pool", "processes of this machine, or Ray Data for many: pip install "
        "'.[ray]'")  # fmt: skip
    add("--limit", type=options.positive, metavar="N",
        help="take N pictures, evenly spread over all")  # fmt: skip
    add("--json", action="store_true", help="print JSON, not a table")
    add("--resume", action="store_true", help="go on where an interrupted evaluation stopped")
    add("--state", type=Path, metavar="DIR", help="where --resume looks (the user's cache)")
    return parser


def _run(args) -> int:
    check_engine(args)
    need_folder("--images", args.images, "a folder of pictures")
    if args.engine == RAY:  # whose actors have folders of their own to be in
        args.artifacts = [folder.absolute() for folder in args.artifacts]
        args.images = args.images.absolute()
        args.weights = args.weights and args.weights.absolute()
    for option, path in (("labels", args.labels), ("weights", args.weights)):
        if path:
            need_file(f"--{option}", path, "a file")
    if args.model:
        sources.check(args.model)
    if args.preprocess:
        from keras_nets.recipes import read_words

        read_words(args.preprocess)
    from export.backend import require_tensorflow
    from export.evaluation.examples import find_examples
    from export.evaluation.progress import progress
    from export.evaluation.run import evaluate, forget
    from export.evaluation.subjects import read_evaluated
    from export.evaluation.table import as_table, summary
    from keras_nets.preprocess import list_images

    if not args.no_keras:
        require_tensorflow()
    artifacts = [read_evaluated(folder) for folder in args.artifacts]
    subjects = _subjects(artifacts, args)
    images = list_images(args.images)
    examples = find_examples(args.images, images, artifacts[0].classes, args.labels)
    examples = examples.sample(args.limit)

    state = args.state or _state()
    with progress() as shown:
        outcomes = list(
            evaluate(
                subjects,
                examples,
                _engine(args),
                progress=shown,
                state=state,
                resume=args.resume,
                batch=args.batch,
            )
        )
    document = summary(examples, outcomes)
    _list_broken(document["images"]["broken"])
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(json.dumps(document, indent=2) if args.json else as_table(document, width))
    failed = any(network["error"] for network in document["networks"])
    if not failed:
        forget(subjects, examples, state)
    return 2 if failed else 0


def _engine(args):
    if cluster := cluster_of(args, (export, keras_nets), args.workers):
        from export.evaluation.on_ray import OnRay

        return OnRay(cluster)
    from export.evaluation.local import Local

    return Local(args.workers or max(1, (os.cpu_count() or 2) // 2))


def _state() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("keras-nets") / "evaluations"


def _list_broken(broken: list[dict]) -> None:
    for picture in broken[:LISTED]:
        print(f"broken: {picture['reason']}", file=sys.stderr)
    if len(broken) > LISTED:
        print(f"and {len(broken) - LISTED} more broken pictures; see --json", file=sys.stderr)


def _subjects(artifacts: list, args) -> list:
    from export.evaluation.subjects import by_model, subjects_of
    from export.report.entries import has_random_weights

    groups = by_model(artifacts)
    for one in artifacts:
        if not one.passed:
            print(f"{one.folder} failed its verification", file=sys.stderr)
        if has_random_weights(one.source):
            print(f"note: {one.folder} has random weights: for trying only", file=sys.stderr)
    if (args.weights or args.model) and len(groups) > 1:
        named = "--weights" if args.weights else "--model"
        raise ValueError(f"{named} is for artifacts of one Keras model; evaluate one at a time")
    return subjects_of(groups, partial(_known, args=args))


def _known(artifact, args):
    """What the catalog, or the command line, knows of an artifact's network."""
    from export.evaluation.subjects import Known
    from keras_nets.preprocess import preprocess

    build = None if args.no_keras else _build(artifact, args)
    recipe = _recipe(artifact, args.preprocess or args.net)
    return Known(
        read=partial(preprocess, recipe=recipe),
        reading=repr(recipe),
        build=build,
        source=str(args.model or args.weights or artifact.source),
        published=_published(artifact),
    )


def _build(artifact, args):
    """A function that builds the Keras model behind `artifact`, in whatever process."""
    built = {"classes": artifact.classes, "image": artifact.image, "flavour": artifact.flavour}
    try:
        build = builder(
            Request.of(args),
            model=artifact.model,
            options={**built, "seed": artifact.seed},
            source=artifact.model_source,
            weights=artifact.source,
        )
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.folder}: {error}; or leave it out with --no-keras"
        ) from error
    return partial(build_model, build)


def _recipe(artifact, words: str | None):
    """How pictures are read for this network, or as `words` say."""
    from keras_nets.recipes import known_recipe

    try:
        recipe = known_recipe(
            artifact.image,
            words=words,
            model=artifact.model,
            options={"flavour": artifact.flavour, "preprocess": artifact.preprocess},
            source=artifact.model_source,
        )
    except ValueError as error:
        raise ArtifactError(f"{artifact.folder}: {error}") from error
    if recipe is None:
        raise ArtifactError(
            f"{artifact.folder} is of {artifact.model!r}, which the catalog does not have, so its "
            "preprocessing is not known; say it with --preprocess, as in scale=127.5,mean=127.5 or "
            "the name of a network that preprocesses alike"
        )
    return recipe


def _published(artifact) -> tuple[float, float] | None:
    """What is published of the network in its flavour, where the weights could have it."""
    from export.report.entries import has_random_weights
    from keras_nets.published import ACCURACY

    name = catalog.network(artifact.model, artifact.model_source)
    if name is None or artifact.classes != 1000:
        return None
    if has_random_weights(artifact.source):
        return None
    found = ACCURACY.get((name, artifact.flavour))
    return (found.top1, found.top5) if found else None


if __name__ == "__main__":
    sys.exit(main())
