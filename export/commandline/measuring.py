"""Options of the tools that measure one thing after another, each in a process of its own."""

import argparse
from collections.abc import Iterable

from export.commandline.options import named, positive


def add_measuring(
    parser: argparse.ArgumentParser, known: Iterable[str], kind: str, stopped: str, seconds: int
) -> None:
    """Add what is measured, of `known` things of a `kind`, and when a process is stopped.

    `stopped` is what takes that long, and `seconds` how long it may by default.
    """
    add = parser.add_argument
    add("--only", action="append", type=named(known, kind), metavar="NAME",
        help=f"one {kind}; may be repeated; all if absent")  # fmt: skip
    add("--again", action="store_true", help="also what is recorded already")
    add("--seconds", type=positive, default=seconds, metavar="N",
        help=f"after which {stopped} is stopped ({seconds})")  # fmt: skip
    add("--gigabytes", type=positive, default=10, metavar="N",
        help=f"of memory, at which {stopped} is stopped (10)")  # fmt: skip
    add("--machine", default="", metavar="TEXT", help="a sentence about this machine for the page")
