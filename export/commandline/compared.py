"""Options on what artifacts are compared on, and on how pictures become inputs."""

import argparse
from pathlib import Path

from export.commandline.paths import need_file, need_folder

NONE, SEEDED = "none", "seeded"  # of --probes
NPZ = "an .npz with an array for each input, by its name"


def add_compared(parser: argparse.ArgumentParser) -> None:
    """Add --images, --inputs, --probes and --preprocess."""
    add = parser.add_argument
    add("--images", type=Path, metavar="DIR",
        help="pictures to compare on, beside the seeded probes: at most 32, sampled "
        "evenly")  # fmt: skip
    add("--inputs", type=Path, metavar="FILE.npz",
        help="inputs to compare on, beside the seeded probes: an array for each input, by its "
        "name")  # fmt: skip
    add("--probes", choices=(SEEDED, NONE),
        help="none: compare on --inputs or --images alone")  # fmt: skip
    add_preprocess(parser)


def add_preprocess(parser) -> None:
    """Add --preprocess alone."""
    parser.add_argument(
        "--preprocess",
        metavar="HOW",
        help="how pictures become inputs of a model outside the catalog: scale=127.5,mean=127.5, "
        "or a network whose way it shares, such as vgg13 or keras.applications:ResNet50",
    )


def check_compared(args) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    if args.images:
        need_folder("--images", args.images, "a folder of pictures")
    if args.inputs:
        need_file("--inputs", args.inputs, NPZ)
    if args.images and args.inputs:
        raise ValueError("--images and --inputs both say what to compare on; give one of them")
    if args.probes == NONE and not (args.images or args.inputs):
        raise ValueError(
            "--probes none leaves nothing to compare on; give --inputs FILE.npz or --images DIR too"
        )


def read_inputs(args):
    """The arrays of --inputs, or None."""
    if not args.inputs:
        return None
    from export.given import read_given

    return read_given(args.inputs)
