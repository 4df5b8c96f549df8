"""Options on what ranges of activations are taken from, for formats of 8 bits."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from export.commandline.engine import RAY, add_engine, check_engine, cluster_of
from export.commandline.options import named, share, whole
from export.commandline.paths import need_file, need_folder
from export.results import MIN_AGREEMENT

METHODS = ("minmax", "entropy", "percentile")  # as export/calibration has them
SYNTHETIC, RANGES, ARRAYS = "synthetic", ".json", ".npz"


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add --calibration and what belongs to it."""
    add = parser.add_argument
    add("--calibration", metavar="DIR|FILE",
        help="pictures, an .npz of arrays by input name, the report.json of an artifact in 8 bits, "
        "or synthetic: what ranges of activations are taken from")  # fmt: skip
    add("--calibration-count", type=whole(1), default=128, metavar="N",
        help="pictures that ranges are taken from (128); up to 32 more are held out")  # fmt: skip
    add("--calibration-method", type=named(METHODS, "method"), default=METHODS[0], metavar="NAME",
        help=f"{', '.join(METHODS)}")  # fmt: skip
    add("--ranges", choices=("calibrated", "learned"), default="calibrated",
        help="learned: those of a network that was trained for int8 (calibrated)")  # fmt: skip
    add("--min-agreement", type=share, default=MIN_AGREEMENT, metavar="SHARE",
        help="of the pictures held out whose first choice stays the same (0.98)")  # fmt: skip
    add_engine(parser, "local", "who runs the network on pictures of --calibration: this machine, "
               "or Ray Data for many: pip install '.[ray]'")  # fmt: skip


def check_calibration(args) -> None:
    """Raise ValueError for what can be seen to be wrong before anything heavy is loaded."""
    given = args.calibration
    check_engine(args)
    if given and given != SYNTHETIC:
        need = need_file if Path(given).suffix in (ARRAYS, RANGES) else need_folder
        need("--calibration", Path(given), "pictures, an .npz, or synthetic")
    if args.engine == RAY and (given in (None, SYNTHETIC) or Path(given).suffix == RANGES):
        raise ValueError(
            "--engine ray runs the network on pictures; name them with --calibration DIR or "
            "FILE.npz, or leave it out"
        )


def read_calibration(
    args, packages: Sequence[ModuleType], pictures: Callable[[Path], tuple[Sequence, Callable]]
):
    """The Calibration that is asked for, or None.

    `pictures` of a folder are their paths, in the order to take them in, and what makes a
    normalised image of one. `packages` are what actors of a cluster import.
    """
    if not args.calibration:
        return None
    from export.calibration import reading

    how = {"count": args.calibration_count, "method": args.calibration_method}
    if args.calibration == SYNTHETIC:
        return reading.synthetic(**how)
    path = Path(args.calibration)
    if path.is_dir():  # by its whole path, because actors have folders of their own to be in
        found = reading.of_pictures(*pictures(path.absolute()), path.name, **how)
    else:
        found = reading.of_file(path, **how)
    return replace(found, cluster=cluster_of(args, packages))
