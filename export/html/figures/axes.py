"""Logarithmic axes for numbers of any size, which all figures share."""

import math
from dataclasses import dataclass

from export.html.words import tick

SHORT = 5  # times its lower end that an axis may reach to be one of few numbers


@dataclass(frozen=True)
class Plot:
    """A figure for the page: its heading, the drawing as SVG, and what to say under it."""

    heading: str
    svg: str
    caption: str


def within(value: float) -> float:
    """Return a positive `value` moved into the range that an axis can show; 0 stays 0."""
    return min(max(value, 1e-40), 1e40) if value else 0


def decades(values: list[float]) -> tuple[float, float]:
    """Return axis limits: the powers of ten around `values`, with a small margin."""
    low, high = (math.log10(edge(values, default=1e-3)) for edge in (min, max))
    return 10 ** (math.floor(low - 0.05) - 0.02), 10 ** (math.ceil(high + 0.05) + 0.02)


def _single_digits(low: float, high: float) -> list[float]:
    """Return the numbers of one significant digit from `low` to `high`."""
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = (digit * 10.0**ten for ten in tens for digit in range(1, 10))
    return [number for number in found if low <= number <= high]


def log_axis(axis, label: str) -> None:
    """Label a logarithmic axis whose limits are set, with ticks that suit its length."""
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        LogLocator,
        NullFormatter,
        NullLocator,
    )

    low, high = axis.get_view_interval()
    between = (1, 2, 5) if high / low < 300 else (1,)
    if high / low < SHORT:  # LogLocator would put ticks that one digit does not tell apart
        axis.set_major_locator(FixedLocator(_single_digits(low, high)))
    else:
        axis.set_major_locator(LogLocator(10, subs=between, numticks=7))
    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label)
