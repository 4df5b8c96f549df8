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
from collections import Counter
from functools import partial

from export.commandline import options
from export.commandline.paths import need_file, need_folder
from export.ending import ending
from keras_nets.catalog import NETS
from keras_nets.prepare import SEEDED, seed_of

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
    add("--model", type=Path, metavar="FILE.keras",
        help="the whole Keras model as it was saved, where it is none of the catalog")  # fmt: skip
    add("--net", type=options.named(NETS, "network"), metavar="NAME",
        help="whose preprocessing to use for a model that is none of the catalog")  # fmt: skip
    add("--no-keras", action="store_true", help="leave the Keras model out")
    add("--batch", type=options.positive, default=16, metavar="N", help="pictures (16)")
    add("--workers", type=options.positive, metavar="N",
        help="processes that decode (half the cores)")  # fmt: skip
    add("--limit", type=options.positive, metavar="N",
        help="take N pictures, evenly spread over all")  # fmt: skip
    add("--json", action="store_true", help="print JSON, not a table")
    add("--resume", action="store_true", help="go on where an interrupted evaluation stopped")
    add("--state", type=Path, metavar="DIR", help="where --resume looks (the user's cache)")
    return parser


def _run(args) -> int:
    need_folder("--images", args.images, "a folder of pictures")
    for option, path in (("labels", args.labels), ("weights", args.weights), ("model", args.model)):
        if path:
            need_file(f"--{option}", path, "a file")
    from export.backend import require_tensorflow
    from export.evaluation.examples import find_examples
    from export.evaluation.exported import read_exported
    from export.evaluation.progress import progress
    from export.evaluation.run import evaluate, forget
    from export.evaluation.table import as_table, summary
    from keras_nets.preprocess import list_images

    if not args.no_keras:
        require_tensorflow()
    exported = [read_exported(folder) for folder in args.artifacts]
    subjects = _subjects(exported, args)
    images = list_images(args.images)
    examples = find_examples(args.images, images, exported[0].classes, args.labels)
    examples = examples.sample(args.limit)

    state = args.state or _state()
    with progress() as shown:
        outcomes = list(
            evaluate(
                subjects,
                examples,
                progress=shown,
                state=state,
                resume=args.resume,
                batch=args.batch,
                workers=args.workers or max(1, (os.cpu_count() or 2) // 2),
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


def _state() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("keras-nets") / "evaluations"


def _list_broken(broken: list[dict]) -> None:
    for picture in broken[:LISTED]:
        print(f"broken: {picture['reason']}", file=sys.stderr)
    if len(broken) > LISTED:
        print(f"and {len(broken) - LISTED} more broken pictures; see --json", file=sys.stderr)


def _subjects(exported: list, args) -> list:
    """One subject for each Keras model, and after it those of its artifacts."""
    classes = {one.classes for one in exported}
    if len(classes) > 1:
        raise ValueError(
            "artifacts of different class counts have no labels in common. "
            f"Received: {', '.join(f'{one.folder} with {one.classes}' for one in exported)}"
        )
    origins: dict[tuple, list] = {}
    for one in exported:
        if not one.passed:
            print(f"{one.folder} failed its verification", file=sys.stderr)
        if one.weights.startswith(SEEDED):
            print(f"note: {one.folder} has random weights: for trying only", file=sys.stderr)
        origins.setdefault(one.origin, []).append(one)
    if (args.weights or args.model) and len(origins) > 1:
        named = "--weights" if args.weights else "--model"
        raise ValueError(f"{named} is for artifacts of one Keras model; evaluate one at a time")
    names = Counter(f"{one.model}/{one.format}" for one in exported)
    subjects = []
    for artifacts in origins.values():
        if not args.no_keras:
            name = f"{artifacts[0].model}/keras"
            if sum(origin[0] == artifacts[0].model for origin in origins) > 1:
                name += f" of {artifacts[0].folder}"
            subjects.append(_keras_subject(name, artifacts[0], args))
        for one in artifacts:
            name = f"{one.model}/{one.format}"
            name = str(one.folder) if names[name] > 1 else name
            subjects.append(_artifact_subject(name, one, args))
    return subjects


def _artifact_subject(name: str, exported, args):
    from export.evaluation.exported import open_exported
    from export.evaluation.run import Subject

    read, shown = _reading(exported, args.net)
    return Subject(
        name,
        group=repr(exported.origin),
        identity=f"{exported.format} {exported.identity} {shown}",
        load=partial(open_exported, exported),
        read=read,
        published=_published(exported),
    )


def _keras_subject(name: str, exported, args):
    from export.errors import ArtifactError
    from export.evaluation.run import Subject

    if exported.model not in NETS and not args.model:
        raise ArtifactError(
            f"{exported.folder} is of {exported.model!r}, which the catalog does not have; name "
            "its model, as Keras saved it, with --model FILE.keras, or leave it out with --no-keras"
        )
    read, shown = _reading(exported, args.net)
    return Subject(
        name,
        group=repr(exported.origin),
        identity=f"keras {exported.origin} {args.model or args.weights} {shown}",
        load=partial(load_keras, exported, args.weights, args.model),
        read=read,
        published=_published(exported),
    )


def _reading(exported, net: str | None):
    """How pictures are read for this network, or as for the one called `net`; and that in words."""
    from export.errors import ArtifactError
    from keras_nets.preprocess import preprocess, recipe_for_image

    name = net or exported.model
    if name not in NETS:
        raise ArtifactError(
            f"{exported.folder} is of {exported.model!r}, which the catalog does not have, so its "
            "preprocessing is not known; name a network that preprocesses alike with --net: "
            f"{', '.join(NETS)}"
        )
    flavours = NETS[name].flavours
    flavour = exported.flavour if exported.flavour in flavours else flavours[0]
    recipe = recipe_for_image(NETS[name], flavour, exported.image)
    return partial(preprocess, recipe=recipe), repr(recipe)


def _published(exported) -> tuple[float, float] | None:
    """What PaddleClas' page prints, where the weights could have it."""
    if exported.model not in NETS:
        return None
    if exported.classes != 1000 or exported.weights.startswith(SEEDED):
        return None
    page = NETS[exported.model].page
    return page.top1, page.top5


def load_keras(exported, weights: Path | None, saved: Path | None = None):
    """Build the Keras model behind an artifact, or load it as it was saved.

    Called in a process of its own.
    """
    from export.errors import ArtifactError

    seeded = weights is None and seed_of(exported.weights) is not None
    source = str(saved or weights or exported.weights)
    if not seeded and not Path(source).exists():
        raise ArtifactError(
            f"{source} is not there; say with --weights where the file lies, or leave the Keras "
            "model out with --no-keras"
        )

    from export.evaluation.predictor import Running  # TensorFlow loads below this line
    from export.observe.model import canonical_sha256

    model = _build(exported, None if seeded else source, saved)
    if canonical_sha256(model) != exported.weights_sha256:
        raise ArtifactError(
            f"{source} holds other weights than {exported.folder} was exported from; give the "
            "right file with --weights, or leave the Keras model out with --no-keras"
        )
    return Running(model.predict_on_batch, "Keras on TensorFlow")


def _build(exported, weights: str | None, saved: Path | None):
    from keras_nets.prepare import load_saved, rebuild

    if saved:
        return load_saved(saved)
    return rebuild(
        exported.model,
        weights or exported.weights,
        classes=exported.classes,
        image=exported.image,
        flavour=exported.flavour,
    ).model


if __name__ == "__main__":
    sys.exit(main())
