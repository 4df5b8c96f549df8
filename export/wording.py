"""Counts and lists as a sentence has them."""

from collections.abc import Iterable


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 engine`, `3 engines`; `plural` where another letter than s is wanted."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def listed(things: Iterable) -> str:
    """`1`, `1 and 4`, `1, 4 and 8`."""
    *others, last = map(str, things)
    return f"{', '.join(others)} and {last}" if others else last


def unit_of(number: float, unit: str) -> str:
    """`unit`, which is plural where it ends in s, as it stands behind `number`: 1 bug caught."""
    first, space, rest = unit.partition(" ")
    return f"{first.removesuffix('s')}{space}{rest}" if number == 1 else unit
