"""Counts, lists, numbers, sizes and times as people read them."""

import math
from collections.abc import Iterable

MISSING = "\N{EN DASH}"
NOT_FINITE = "no finite value"  # checks write null for infinity, and where shapes differ
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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


def number(value: float | None, unit: str = "", missing: str = MISSING) -> str:
    """Return whole numbers with commas, small and huge ones in powers of ten, else 3 digits."""
    if value is None:
        return missing
    tail = f" {unit}" if unit else ""
    if not math.isfinite(value):
        return f"{value}{tail}"
    if abs(value) >= 1e12 or 0 < abs(value) < 0.01:
        return f"{value:.1e}{tail}"
    if float(value).is_integer():
        return f"{int(value):,}{tail}"
    return f"{value:,.3g}{tail}" if abs(value) < 1000 else f"{value:,.0f}{tail}"


def size(value: float | None) -> str:
    """Return bytes in decimal units, as disks are sold: 5.0 MB, 1.91 GB."""
    if value is None:
        return MISSING
    for unit, scale, digits in (("TB", 1e12, 2), ("GB", 1e9, 2), ("MB", 1e6, 1), ("kB", 1e3, 1)):
        if value >= scale:
            return f"{value / scale:.{digits}f} {unit}"
    return f"{value:,.0f} bytes"


def duration(value: float | None) -> str:
    """Return seconds, or minutes and seconds from two minutes up."""
    if value is None:
        return MISSING
    if value < 120:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes:,} min {seconds:02} s"


def times(value: float) -> str:
    """Return a ratio from 1 up, to two digits: 26 times, 3.1 times."""
    value = min(value, 1e99)
    if value >= 1e6:
        return f"10{str(int(math.log10(value))).translate(SUPERSCRIPTS)} times"
    return f"{float(f'{value:.2g}'):,.{0 if value >= 10 else 1}f} times"


def percent(value: float) -> str:
    """Return a share (0 to 1) in percent."""
    return f"{number(100 * value)} %"
