"""Print which weight each tensor of a file became."""

import sys

from keras_nets.weights.plan import Placement

HEADINGS = ("tensor", "shape", "goes to", "shape", "how")


def print_placements(facts: dict, placements: tuple[Placement, ...]) -> None:
    """Print facts, then a row for each placement: a table on a terminal, else lines with tabs."""
    for name, value in facts.items():
        print(f"{name}: {value}")
    rows = [
        (p.source or "-", _shape(p.source_shape), p.target, _shape(p.shape), p.transform)
        for p in placements
    ]
    if not sys.stdout.isatty():
        for row in (HEADINGS, *rows):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, shape)) if shape else "-"
