"""Make a network smaller: prune it, cluster the values of its weights, train it for int8.

    python tools/compress.py --model vgg13 --weights vgg13.pdparams --prune 0.5
    python tools/compress.py --model my.keras --prune 2:4 --cluster 16 --images train/ --net vgg11
    python tools/compress.py --model my.keras --qat --images train/ --epochs 3

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function, or
keras.applications:Name. <out>/<model>.keras is the same network with the new weights, and
compression.json beside it says what was done; an export of the file proves it in the artifact. The
first and the last layer are left alone unless they are asked for. With --images, a folder for each
class or arrays, the network is trained on the way; without, all is done in one shot. Ctrl-C ends a
training and keeps the best so far. Exit status: 0 done, 1 the accuracy fell too far and nothing was
written, 2 something could not be run, 130 interrupted.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from dataclasses import replace
from functools import partial

from export.backend import require_tensorflow
from export.commandline import options
from export.commandline.compared import add_preprocess
from export.commandline.paths import need_file, need_folder, need_weights, need_writable
from export.compression.method import MOST_VALUES, Method, read_prune
from export.ending import INTERRUPTED, ending
from export.errors import AccuracyLost
from keras_nets import sources
from keras_nets.catalog import MOST_CLASSES, NETS
from keras_nets.sources.naming import safe_name
from keras_nets.sources.request import Request


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(verbose=args.verbose, interrupted="interrupted; nothing was written"):
        method, request = _method(args), _request(args)
        _check(args, request)
        require_tensorflow()
        try:
            return _compress(args, method, request)
        except AccuracyLost as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    options.add_model(parser, f"{', '.join(NETS)}, or see above", required=True)
    add("--weights", metavar="FILE", help="a weights file, or imagenet; seeded if absent")
    add("--seed", type=options.whole(0, options.SEEDS - 1), default=0, metavar="N",
        help="of seeded weights, probe images and training (0)")  # fmt: skip
    add("--image-size", type=options.sizes, metavar="HxW",
        help="or one number; the network's own if absent")  # fmt: skip
    add("--classes", type=options.whole(2, MOST_CLASSES), metavar="N",
        help="what the weights have if absent, 1000 if seeded")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="(compressed/<model>)")
    _add_method(add)
    _add_training(add)
    add_preprocess(parser)
    add("--json", action="store_true", help="print compression.json and its path, not a table")
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _add_method(add) -> None:
    add("--prune", type=_prune, metavar="SHARE",
        help="zero this share of each kernel, as 0.5; or 2:4, two of four channels")  # fmt: skip
    add("--cluster", type=options.whole(2, MOST_VALUES), metavar="N",
        help="leave each kernel N distinct values; what is zero stays zero")  # fmt: skip
    add("--qat", action="store_true", help="train for int8; needs --images")
    add("--skip", action="append", default=[], metavar="LAYER", help="leave it alone; repeatable")
    add("--only", action="append", default=[], metavar="LAYER",
        help="leave all others alone; may be repeated")  # fmt: skip
    add("--first-and-last", action="store_true", help="compress these layers too")


def _add_training(add) -> None:
    add("--images", type=Path, metavar="DIR|FILE.npz",
        help="pictures to train on: a folder for each class, or an .npz of `images`, uint8 in RGB "
        "or normalised float32 (n, height, width, channels), and `labels` (n,)")  # fmt: skip
    add("--held-out", type=Path, metavar="DIR|FILE.npz",
        help="others to measure accuracy on; every fifth of --images if absent")  # fmt: skip
    add("--labels", type=Path, metavar="FILE", help="lines `name index`, where folders do not tell")
    add("--net", metavar="NAME", help="as --preprocess NAME, of the catalog alone")
    add("--epochs", type=options.positive, default=2, metavar="N", help="of each way (2)")
    add("--batch-size", type=options.positive, metavar="N",
        help="pictures in a batch (32; fewer of large networks with batch-norms)")  # fmt: skip
    add("--rate", type=float, default=1e-4, metavar="X",
        help="of learning; falls along a cosine (0.0001)")  # fmt: skip
    add("--optimizer", choices=("adam", "sgd"), default="adam",
        help="sgd needs less memory, and a rate of about 0.001 (adam)")  # fmt: skip
    add("--no-flips", action="store_true", help="never mirror pictures, as of digits and text")
    add("--no-crops", action="store_true", help="never cut out a part at random")
    add("--patience", type=options.positive, default=3, metavar="N",
        help="epochs without a better accuracy before training ends (3)")  # fmt: skip
    add("--min-accuracy", type=float, metavar="X",
        help="that must be left; that of before less 0.05 if absent")  # fmt: skip
    add("--resume", action="store_true", help="take up a training that did not end")


def _prune(text: str) -> float | str:
    try:
        return read_prune(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _method(args) -> Method:
    return Method(
        prune=args.prune,
        cluster=args.cluster,
        qat=args.qat,
        skip=tuple(args.skip),
        only=tuple(args.only),
        ends=args.first_and_last,
    )


def _request(args) -> Request:
    sources.check(args.model)
    return Request.of(args)


def _check(args, request: Request) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded.

    Raises MissingLane where no lane can be that compresses.
    """
    from export.compression.asking import LANE
    from export.lanes import check_lanes

    need_weights(args.weights)
    for option in ("held_out", "labels", "preprocess", "resume", "min_accuracy"):
        if getattr(args, option) and not args.images:
            raise ValueError(f"--{option.replace('_', '-')} is for training; give --images too")
    if args.qat and not args.images:
        raise ValueError("--qat is training, which needs pictures; give --images")
    _training(args)
    _check_pictures(args, request)
    if args.out:
        need_writable("--out", args.out)
    check_lanes([LANE])
    request.check()


def _check_pictures(args, request: Request) -> None:
    """Raise ValueError for pictures that are not there, or said to be read in two ways."""
    wanted = "a folder of pictures, or an .npz of images and labels"
    for option, path in (("--images", args.images), ("--held-out", args.held_out)):
        if path:
            (need_file if _is_arrays(path) else need_folder)(option, path, wanted)
    if args.held_out and _is_arrays(args.held_out) != _is_arrays(args.images):
        raise ValueError("--images and --held-out are both folders of pictures, or both .npz files")
    if args.labels:
        need_file("--labels", args.labels, "a text file of names and indexes")
        if _is_arrays(args.images):
            raise ValueError(f"--labels is for folders; {args.images} has labels of its own")
    if args.net and args.preprocess:
        raise ValueError("--net and --preprocess say the same; give one of them")
    if args.net:
        sources.catalog.find(args.net)
    if args.preprocess:
        from keras_nets.recipes import of_option

        of_option(args.preprocess, request.words, bool(request.net))


def _is_arrays(path: Path) -> bool:
    return path.suffix == ".npz"


def _compress(args, method: Method, request: Request) -> int:
    from export.commandline.display import display

    training = _training(args)
    with display(args.verbose) as show:
        from export.commandline.compression_table import print_compression
        from export.compression.compress import compress_model

        settled = request.read_weights(partial(show.bar, args.model))
        show(args.model, "building the network")
        model = settled.prepare().model
        out = args.out or Path("compressed", safe_name(model.name))
        if Path(args.model).resolve() == (out / f"{model.name}.keras").resolve():
            raise ValueError(
                f"--model {args.model} is where the compressed network would be written; choose "
                "another --out"
            )
        lessons = _lessons(args, settled, model) if args.images else None
        done = compress_model(model, method, out, lessons=lessons, training=training, progress=show)
    if args.json:
        print(json.dumps({"path": str(done.path), **done.content}))
    else:
        print_compression(done)
    if done.interrupted:
        kept = f"interrupted ({done.interrupted}); the best so far is kept, --resume goes on"
        print(kept, file=sys.stderr)
        return INTERRUPTED
    return 0


def _training(args):
    """How to train; ValueError for what makes no sense."""
    from export.compression.training import Training

    return Training(
        epochs=args.epochs,
        batch_size=args.batch_size,
        rate=args.rate,
        optimizer=args.optimizer,
        flips=not args.no_flips,
        crops=not args.no_crops,
        patience=args.patience,
        seed=args.seed,
        min_accuracy=args.min_accuracy,
        resume=args.resume,
    )


def _lessons(args, settled, model):
    """The pictures of --images, each with its class, and how they are read."""
    from export.compression.compress import classifier_of
    from export.skeleton.accepted import accept

    classifier = classifier_of(accept(model), model.name)
    recipe = partial(_recipe, args, settled, model.name, classifier.image)
    if _is_arrays(args.images):
        return _lessons_of_arrays(args, recipe)
    return _lessons_of_folders(args, recipe(), classifier.classes)


def _lessons_of_folders(args, recipe, classes: int):
    from export.compression.pictures import Reading, lessons_of
    from export.evaluation.examples import find_examples
    from keras_nets.pictures import list_images
    from keras_nets.preprocess import crop_picture

    found = [
        find_examples(folder, list_images(folder), classes, args.labels) if folder else None
        for folder in (args.images, args.held_out)
    ]
    wide = replace(recipe, crop=recipe.short)
    reading = Reading(
        wide=partial(crop_picture, recipe=wide),
        wide_side=wide.crop,
        exact=partial(crop_picture, recipe=recipe),
        exact_side=recipe.crop,
    )
    return lessons_of(*found, reading, mean=recipe.mean, std=recipe.std)


def _lessons_of_arrays(args, recipe):
    """The arrays of --images; `recipe` is asked only where they are bytes, to be normalised."""
    from export.compression.arrays import are_bytes, lessons_of_arrays

    files = (args.images, args.held_out)
    if not any(are_bytes(file) for file in files if file):
        return lessons_of_arrays(*files)
    known = recipe()
    turned = known.order == "bgr"
    return lessons_of_arrays(*files, turned=turned, mean=known.mean, std=known.std)


def _recipe(args, settled, name: str, image: tuple[int, int, int]):
    """How pictures become images of this network."""
    from keras_nets import recipes

    request, words = settled.request, args.preprocess or args.net
    if request.net and not words:
        return settled.recipe()
    if not words and name.casefold() in NETS:
        words = name
    if words:
        known = recipes.read_words(words)
    else:
        known = recipes.of_model(request.words, sources.read_arguments(request.arguments))
    if known is None:
        raise ValueError(
            f"how pictures become inputs of {args.model} is not known; say it with --preprocess, "
            "as in scale=127.5,mean=127.5, or a network that takes them alike"
        )
    return known.recipe(image)


if __name__ == "__main__":
    sys.exit(main())
