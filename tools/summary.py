"""Show what a network costs, layer by layer: shapes, parameters, multiply-accumulates, activations.

    python tools/summary.py vgg13
    python tools/summary.py my.keras --json

MODEL is a network of the catalog, a .keras or .h5 file, package.module:function, or
keras.applications:Name. The weights are not needed, and none are read from elsewhere.

Exit status: 0 counted, 2 something could not be run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where export.py would hide `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json

from export.commandline import options
from export.ending import ending
from keras_nets import sources
from keras_nets.catalog import NETS
from keras_nets.sources import catalog, read_arguments


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(verbose=args.verbose):
        return _summarize(args)


def _parser():
    parser = options.make_parser(__doc__)
    add = parser.add_argument
    add("model", metavar="MODEL", help=f"{', '.join(NETS)}, a file, or a function")
    options.add_building(parser)
    add("--flavour", metavar="NAME", help="of a network of the catalog; its first if absent")
    add("--classes", type=options.whole(2), metavar="N", help="of a network of the catalog (1000)")
    add("--image-size", type=options.sizes, metavar="HxW",
        help="or one number; the network's own if absent")  # fmt: skip
    add("--json", action="store_true", help="print JSON, not a table")
    add("--verbose", action="store_true", help="show what libraries say, and traces of errors")
    return parser


def _summarize(args) -> int:
    from export.backend import require_tensorflow
    from export.commandline.complexity_table import as_dict, print_complexity
    from export.commandline.display import display

    sources.check(args.model)
    require_tensorflow()
    with display(args.verbose) as show:
        show(args.model, "loading TensorFlow")
        model, page_params = _build(args)
        from export.complexity import measure

        complexity = measure(model, args.image_size)
    if args.json:
        print(json.dumps(as_dict(complexity, page_params)))
    else:
        print_complexity(complexity, page_params)
    return 0


def _build(args):
    """The model, without weights of its own, and its parameters in the page's convention."""
    if not catalog.fits(args.model):
        if args.flavour or args.classes:
            raise ValueError("--flavour and --classes are for networks of the catalog")
        loaded = sources.load(
            args.model,
            read_arguments(args.model_arg),
            custom_objects=args.custom_objects,
            allow_unsafe=args.allow_unsafe,
        )
        return loaded.model, None
    net = catalog.find(args.model)
    flavour = args.flavour or net.flavours[0]
    if flavour not in net.flavours:
        raise ValueError(
            f"{net.name} has the flavours {', '.join(net.flavours)}. "
            f"Received: --flavour {args.flavour}"
        )
    from keras_nets.weights.load import build_unfilled

    image = (*args.image_size, 3) if args.image_size else net.image
    model = build_unfilled(net, classes=args.classes or 1000, image=image, flavour=flavour)
    counts = net.expected_counts(flavour, args.classes or 1000, image)
    return model, counts.page


if __name__ == "__main__":
    sys.exit(main())
