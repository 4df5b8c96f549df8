"""Make a network smaller: prune it, and cluster the values of its weights.

    python tools/compress.py --model vgg13 --weights vgg13.pdparams --prune 0.5
    python tools/compress.py --model my.keras --prune 2:4 --cluster 16

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function, or
keras.applications:Name. <out>/<model>.keras is the same network with the new weights, and
compression.json beside it says what was done; an export of the file proves it in the artifact. The
first and the last layer are left alone unless they are asked for. Exit status: 0 done, 1 the
accuracy fell too far, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json

from export.backend import require_tensorflow
from export.commandline import options
from export.commandline.paths import need_file, need_writable
from export.compression.method import MOST_VALUES, Method, read_prune
from export.ending import ending
from keras_nets import sources
from keras_nets.catalog import NETS, find_net
from keras_nets.sources import catalog
from keras_nets.sources.naming import safe_name

MOST_CLASSES = 100_000  # as tools/export.py has it


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    kept = "interrupted; nothing was written"
    with ending(verbose=args.verbose, interrupted=kept):
        method = _method(args)
        _check(args)
        require_tensorflow()
        return _compress(args, method)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="MODEL", help=f"{', '.join(NETS)}, or see above")
    add("--weights", metavar="FILE", help="of a network of the catalog; seeded if absent")
    add("--seed", type=options.whole(0, options.SEEDS - 1), default=0, metavar="N",
        help="of seeded weights, probe images and training (0)")  # fmt: skip
    add("--image-size", type=options.sizes, metavar="HxW",
        help="of a network of the catalog; its own if absent")  # fmt: skip
    add("--classes", type=options.whole(2, MOST_CLASSES), metavar="N",
        help="of a network of the catalog: the weights' if absent, 1000 if seeded")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="(compressed/<model>)")
    add("--prune", type=_prune, metavar="SHARE",
        help="zero this share of each kernel, as 0.5; or 2:4, two of four channels")  # fmt: skip
    add("--cluster", type=options.whole(2, MOST_VALUES), metavar="N",
        help="leave each kernel N distinct values; what is zero stays zero")  # fmt: skip
    add("--skip", action="append", default=[], metavar="LAYER", help="leave it alone; repeatable")
    add("--only", action="append", default=[], metavar="LAYER",
        help="leave all others alone; may be repeated")  # fmt: skip
    add("--first-and-last", action="store_true", help="compress these layers too")
    add("--json", action="store_true", help="print compression.json and its path, not a table")
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _prune(text: str) -> float | str:
    try:
        return read_prune(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _method(args) -> Method:
    return Method(
        prune=args.prune,
        cluster=args.cluster,
        skip=tuple(args.skip),
        only=tuple(args.only),
        ends=args.first_and_last,
    )


def _check(args) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    sources.check(args.model)
    named = catalog.fits(args.model)
    for option in ("weights", "image_size", "classes"):
        if getattr(args, option) and not named:
            raise ValueError(
                f"--{option.replace('_', '-')} is for networks of the catalog; leave it out for "
                f"{args.model}"
            )
    if args.weights and args.weights.partition(":")[0] != "imagenet":
        need_file("--weights", Path(args.weights), "a weights file, or imagenet")
    if args.out:
        need_writable("--out", args.out)


def _compress(args, method: Method) -> int:
    from export.commandline.compression_table import print_compression
    from export.commandline.display import display
    from export.compression.compress import compress_model

    with display(args.verbose) as show:
        show(args.model, "loading TensorFlow")
        model = _load(args, show)
        out = args.out or Path("compressed", safe_name(model.name))
        done = compress_model(model, method, out, seed=args.seed, progress=show)
    if args.json:
        print(json.dumps({"path": str(done.path), **done.content}))
    else:
        print_compression(done)
    return 0


def _load(args, show):
    """The model with its weights."""
    if not catalog.fits(args.model):
        return sources.load(args.model, seed=args.seed).model
    from keras_nets.prepare import prepare

    net = find_net(args.model)
    show(net.name, f"reading {args.weights}" if args.weights else f"seeding weights: {args.seed}")
    image = (*args.image_size, 3) if args.image_size else None
    prepared = prepare(net, args.weights, seed=args.seed, classes=args.classes, image=image)
    return prepared.model


if __name__ == "__main__":
    sys.exit(main())
