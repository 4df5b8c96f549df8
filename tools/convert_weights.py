"""Write the weights in a file of another framework as Keras, safetensors or npz.

    python tools/convert_weights.py VGG11_pretrained.pdparams --model vgg11 --to keras
    python tools/convert_weights.py imagenet:torchvision --model alexnet --to safetensors --json

Prints which weight each tensor became. Exit status: 0 done, 2 could not.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where a file may hide a package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dataclasses
import json
import os

from export.commandline import options
from export.commandline.paths import need_file, need_place
from export.ending import ending
from keras_nets import NETS
from keras_nets.weights import ENDINGS


def main(argv=None) -> int:
    parser = options.make_parser(__doc__)
    parser.add_argument("file", help="a weights file, imagenet, or imagenet:SOURCE")
    add = parser.add_argument
    add("--model", required=True, type=options.named(NETS, "network"), metavar="NAME",
        help=", ".join(NETS))  # fmt: skip
    add("--to", required=True, type=options.named(ENDINGS, "kind of file"), metavar="KIND",
        help=f"kind of file to write: {', '.join(ENDINGS)}")  # fmt: skip
    parser.add_argument(
        "--out", type=Path, help="default: NAME-FLAVOUR and the kind's ending, here"
    )
    parser.add_argument(
        "--classes",
        type=options.whole(2),
        metavar="N",
        help="number of classes, for a darknet file that ends before its classifier",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args(argv)
    with ending():
        return _convert(args)


def _convert(args) -> int:
    if args.file.partition(":")[0] != "imagenet":
        need_file("FILE", Path(args.file), "a weights file, or imagenet")
    if args.out:
        need_place("--out", args.out)
        if not args.out.name.endswith(ENDINGS[args.to]):
            raise ValueError(f"--out {args.out} should end in {ENDINGS[args.to]}")
    # numpy and TensorFlow load below this line, never for --help.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from keras_nets.weights.download import resolve_weights
    from keras_nets.weights.identify import identify_weights
    from keras_nets.weights.progress import download_progress
    from keras_nets.weights.report import print_placements

    net = NETS[args.model]
    with download_progress(args.model) as progress:
        file = resolve_weights(net, args.file, progress)
    identity = identify_weights(net, file, digest=True)

    # Keras only loads for a file that is worth it.
    from keras_nets.weights import load_weights, plan_weights, save_weights

    out = args.out or Path(f"{net.name}-{identity.flavour}{ENDINGS[args.to]}")
    placements = plan_weights(net, file, classes=args.classes)
    model = load_weights(net, file, classes=args.classes)
    save_weights(model, out, args.to, flavour=identity.flavour)
    facts = {"file": str(file), **dataclasses.asdict(identity), "out": str(out), "to": args.to}
    if args.json:
        facts["placements"] = [dataclasses.asdict(placement) for placement in placements]
        print(json.dumps(facts, indent=1))
    else:
        print_placements(facts, placements)
    return 0


if __name__ == "__main__":
    sys.exit(main())
