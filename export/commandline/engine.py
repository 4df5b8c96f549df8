"""Options on who does the work on many pictures: this machine, or a Ray cluster."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

RAY = "ray"


def add_engine(parser, own: str, text: str) -> None:
    """Add --engine, whose default is called `own`, and --ray-address."""
    add = parser.add_argument
    add("--engine", choices=(own, RAY), default=own, help=text)
    add("--ray-address", default="", metavar="ADDRESS",
        help="of a cluster's head, such as 10.0.0.7:6379; else Ray runs here")  # fmt: skip


def check_engine(args) -> None:
    """Raise ValueError for an address that nobody would use."""
    if args.ray_address and args.engine != RAY:
        raise ValueError("--ray-address is for --engine ray; give both, or neither")


def cluster_of(args, packages: Sequence[ModuleType], workers: int | None = None):
    """The cluster that was asked for, or None; its actors import `packages`."""
    if args.engine != RAY:
        return None
    from export.cluster import Cluster

    return Cluster(workers, args.ray_address, [Path(one.__file__).parent for one in packages])
