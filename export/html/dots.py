"""Figures with a row for each name: numbers layer by layer, and bugs one by one."""

from dataclasses import dataclass

from export.html.axes import Plot, decades, log_axis, within
from export.html.facts import Row
from export.html.figure import FAILED, GRID, INK, MEASURED, drawing
from export.html.words import brief, number, percent

MOST_NAMES = 32  # of layers, beside each other in one figure
QUANTITIES = {  # of a layer: heading, axis, and how a value is written
    "error": ("Error layer by layer", "error, std", number),
    "largest": ("Largest activation of each layer", "absolute value", number),
    "subnormal": ("Weights that lose precision in FP16", "share of the layer's weights", percent),
    "zero": ("Weights that become 0 in FP16", "share of the layer's weights", percent),
}
LIMITS = {"largest": 65504}  # of float16


@dataclass(frozen=True)
class _Dot:
    name: str
    value: float
    words: str
    bad: bool = False


def layers(row: Row) -> list[Plot]:
    """Numbers that a check has for each layer, one figure for each kind of number."""
    known = [key for key in QUANTITIES if any(key in layer.numbers for layer in row.layers)]
    return [_layers(row, key) for key in known]


def _layers(row: Row, key: str) -> Plot:
    heading, axis_label, words = QUANTITIES[key]
    limit = LIMITS.get(key)
    seen = [(layer.name, layer.numbers[key]) for layer in row.layers if key in layer.numbers]
    dots = [_Dot(name, v, f"{name}: {words(v)}", bool(limit and v > limit)) for name, v in seen]
    worst = max(dots, key=lambda dot: dot.value)
    said = f"{len(dots)} layers, first to last. Largest at {worst.words}."
    if zeros := sum(dot.value <= 0 for dot in dots):
        said += f" {zeros} of them 0, without a dot."
    if len(dots) > MOST_NAMES:
        said += " Not all are named; the table below has them all."
    return Plot(heading, _draw(f"layers-{row.name}-{key}", dots, limit, axis_label, said), said)


def bugs(row: Row) -> Plot | None:
    """What each planted bug does to the logits, and whether a check caught it."""
    if not row.mutants:
        return None
    missed = row.power.missed if row.power else ()
    dots = [
        _Dot(m.name, m.effect or 0, f"{m.name}: {number(m.effect)}, {m.fate}", m.name in missed)
        for m in sorted(row.mutants, key=lambda m: m.effect or 0)
    ]
    said = (
        "What the same artifact's logits would differ by with one bug in it, from the subtlest to "
        f"the grossest; the line is what {row.name} allows."
    )
    if none := sum(dot.value <= 0 for dot in dots):
        said += f" {none} without a finite effect, and without a dot."
    if missed:
        said += f" Not caught: {', '.join(missed)}."
    svg = _draw(f"bugs-{row.name}", dots, row.allowed, f"error, {row.unit or 'std'}", said)
    return Plot("Planted bugs", svg, said)


def _draw(name: str, dots: list[_Dot], limit: float | None, axis_label: str, said: str) -> str:
    """A row for each dot, in the order given; bad ones in the colour of failure."""
    values = [within(max(dot.value, 0)) for dot in dots]
    shown = [value for value in (*values, within(max(limit or 0, 0))) if value > 0]
    with drawing(name, min(0.7 + 0.15 * len(dots), 5.2)) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_xlim(*decades(shown))
        axes.hlines(range(len(dots)), 0, values, color=GRID, linewidth=1)
        for colour, bad in ((MEASURED, False), (FAILED, True)):
            places = [i for i, dot in enumerate(dots) if values[i] > 0 and dot.bad is bad]
            (drawn,) = axes.plot([values[i] for i in places], places, "o", color=colour, ms=3.5)
            sheet.note(drawn, *(dots[i].words for i in places))
        step = -(-len(dots) // MOST_NAMES)
        axes.set_yticks(range(0, len(dots), step), [brief(dot.name, 27) for dot in dots][::step])
        axes.tick_params(axis="y", length=0, labelsize=7)
        axes.set_ylim(len(dots) - 0.4, -0.6)
        axes.grid(axis="x", linewidth=0.6)
        if limit and limit > 0:
            axes.axvline(within(limit), color=INK, linewidth=1.4)
            label = {"ha": "center", "va": "bottom", "fontsize": 7, "color": INK}
            axes.annotate("allowed", (within(limit), -0.6), annotation_clip=False, **label)
        log_axis(axes.xaxis, f"{axis_label} (logarithmic)")
        return sheet.save(said)
