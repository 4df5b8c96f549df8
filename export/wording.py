"""Counts and lists as they are written in a sentence."""

from collections.abc import Iterable


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return `1 engine` or `3 engines`; `plural` is for words that do not just add an s."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def listed(things: Iterable) -> str:
    """Return `1`, `1 and 4` or `1, 4 and 8`."""
    *others, last = map(str, things)
    return f"{', '.join(others)} and {last}" if others else last


def unit_of(number: float, unit: str) -> str:
    """Return `unit` as it follows `number`: "bugs caught", but for 1 "bug caught"."""
    first, space, rest = unit.partition(" ")
    return f"{first.removesuffix('s')}{space}{rest}" if number == 1 else unit
