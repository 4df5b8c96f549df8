"""Numbers, sizes and times as people read them, on pages and in terminals."""

import math

MISSING = "\N{EN DASH}"
NOT_FINITE = "no finite value"  # checks write null for infinity, and where shapes differ
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, unit: str = "") -> str:
    """Whole numbers with commas, small and huge ones with an exponent, others with 3 digits."""
    if value is None:
        return MISSING
    tail = f" {unit}" if unit else ""
    if not math.isfinite(value):
        return f"{value}{tail}"
    if abs(value) >= 1e12 or 0 < abs(value) < 0.01:
        return f"{value:.1e}{tail}"
    if float(value).is_integer():
        return f"{int(value):,}{tail}"
    return f"{value:,.3g}{tail}" if abs(value) < 1000 else f"{value:,.0f}{tail}"


def size(value: float | None) -> str:
    """Bytes, in decimal units as disks are sold."""
    if value is None:
        return MISSING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.{2 if unit == 'GB' else 1}f} {unit}"
    return f"{value:,.0f} B"


def duration(value: float | None) -> str:
    """Seconds, or minutes and seconds from two minutes up."""
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


def guess(value) -> str:
    """Return a label and its probability: tench 93 %; nothing for None."""
    return f"{value.label} {value.probability:.0%}".replace("%", " %") if value else MISSING


def shortened(name: str, most: int = 22) -> str:
    """Return a name that fits into a figure."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def percent(value: float) -> str:
    return f"{number(100 * value)} %"


def tick(value: float, _position=None) -> str:
    """Return a tick of a logarithmic axis: 0.01, 5, 2,000, and powers of ten beyond."""
    if 0.009 < value < 20_000:
        return f"{value:,.9g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    power = f"10{str(exponent).translate(SUPERSCRIPTS)}"
    leading = round(value / 10.0**exponent)
    return power if leading == 1 else f"{leading}·{power}"
