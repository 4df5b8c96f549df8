"""Numbers of a layer that checks write into report.json: their headings, units and figures.

A number of another version that is not listed here still gets a column, but no figure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from export.html.facts import Layer, Row
from export.wording import MISSING, NOT_FINITE, number, percent


@dataclass(frozen=True)
class Quantity:
    """One number or word of a layer: its column's heading, and how a value is written."""

    heading: str
    words: Callable[[float], str] = number


@dataclass(frozen=True)
class Figure:
    """Quantities that share an axis, and what a value must not exceed."""

    heading: str
    axis: str
    keys: tuple[str, ...]
    limit: float | None = None


QUANTITIES = {
    "tensor": Quantity("Tensor"),
    "error": Quantity("Error, std"),
    "allowed": Quantity("Allowed, std"),
    "largest": Quantity("Largest activation"),
    "fp16_error": Quantity("FP16 error, std"),
    "subnormal_weights": Quantity("Weights subnormal in FP16", percent),
    "zero_weights": Quantity("Weights 0 in FP16", percent),
}
FIGURES = (
    Figure("Error layer by layer", "error, std", ("error",)),
    Figure("Largest activation of each layer", "absolute value", ("largest",), 65504),
    Figure("Predicted error of each layer", "error, std", ("fp16_error",)),
    Figure(
        "Weights that lose precision in FP16",
        "share of a layer's weights",
        ("subnormal_weights", "zero_weights"),
    ),
)


def columns(row: Row) -> list[str]:
    """Return the names of all numbers that layers have: those listed here first, in order."""
    seen = {k: None for la in row.layers for k in (*la.words, *la.numbers, *la.lost)}
    known = [key for key in QUANTITIES if key in seen]
    return known + [key for key in seen if key not in (*known, "name", "layer")]


def heading(key: str) -> str:
    """Return the heading of a column."""
    return QUANTITIES[key].heading if key in QUANTITIES else key.replace("_", " ").capitalize()


def cell(layer: Layer, key: str) -> str:
    """Return the text of a table cell."""
    if key in layer.lost:
        return NOT_FINITE
    if key in layer.words:
        return layer.words[key]
    if key not in layer.numbers:
        return MISSING
    return (QUANTITIES[key].words if key in QUANTITIES else number)(layer.numbers[key])
