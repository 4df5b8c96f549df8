"""Words that only pages have: predictions, names cut short, and ticks of logarithmic axes."""

import math

from export.wording import MISSING, SUPERSCRIPTS


def guess(value) -> str:
    """Return a label and its probability: tench 93 %; nothing for None."""
    return f"{value.label} {value.probability:.0%}".replace("%", " %") if value else MISSING


def shortened(name: str, most: int = 22) -> str:
    """Return a name that fits into a figure."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def tick(value: float, _position=None) -> str:
    """Return a tick of a logarithmic axis: 0.01, 5, 2,000, and powers of ten beyond."""
    if 0.009 < value < 20_000:
        return f"{value:,.9g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    power = f"10{str(exponent).translate(SUPERSCRIPTS)}"
    leading = round(value / 10.0**exponent)
    return power if leading == 1 else f"{leading}·{power}"
