"""Figures with a row for each name: numbers layer by layer, and bugs one by one."""

from dataclasses import dataclass

from export.html.facts import Row
from export.html.figures.axes import Plot, decades, log_axis, within
from export.html.figures.svg import FAILED, GRID, INK, MEASURED, OTHER, Drawing, drawing
from export.html.quantities import FIGURES, QUANTITIES, Figure
from export.html.words import shortened
from export.wording import NOT_FINITE, number

MOST_NAMES = 32  # of layers, beside each other in one figure
MOST_LISTED = 3  # of layers at the edge, in the words below
SERIES = ((MEASURED, "o"), (OTHER, "s"))  # colour and marker of each


@dataclass(frozen=True)
class Dot:
    place: int  # of the row, from the top
    value: float | None  # None: beyond the edge
    words: str
    bad: bool = False


@dataclass(frozen=True)
class Series:
    label: str
    dots: tuple[Dot, ...]

    @property
    def shown(self) -> list[Dot]:
        """Dots that a logarithmic axis has a place for."""
        return [dot for dot in self.dots if dot.value is None or dot.value > 0]


def layers(row: Row) -> list[Plot]:
    """Numbers that a check has for each layer, one figure for each kind of number."""
    return [plot for figure in FIGURES if (plot := _layers(row, figure))]


def _layers(row: Row, figure: Figure) -> Plot | None:
    known = [la for la in row.layers if set(figure.keys) & {*la.numbers, *la.lost}]
    series = [_of_layers(known, key, figure.limit) for key in figure.keys]
    series = [one for one in series if one.dots]
    if not any(one.shown for one in series):
        return None  # the table has the zeros
    caption = f"{len(known)} layers, first to last."
    for one in series:
        lead = f" {one.label} is largest at" if len(series) > 1 else " Largest at"
        if finite := [dot for dot in one.shown if dot.value is not None]:
            caption += f"{lead} {max(finite, key=lambda dot: dot.value).words}."
    if beyond := [dot.words for one in series for dot in one.dots if dot.value is None]:
        more = f" and {len(beyond) - MOST_LISTED} more" if len(beyond) > MOST_LISTED else ""
        caption += f" At the edge: {', '.join(beyond[:MOST_LISTED])}{more}."
    if zeros := sum(len(one.dots) - len(one.shown) for one in series):
        caption += f" {zeros} of the values {'is' if zeros == 1 else 'are'} 0, without a dot."
    if len(known) > MOST_NAMES:
        caption += " Not all are named; the table below has them all."
    name = f"layers-{row.name}-{figure.keys[0]}"
    svg = draw_rows(name, [la.name for la in known], series, figure.limit, figure.axis, caption)
    return Plot(figure.heading, svg, caption)


def _of_layers(known: list, key: str, limit: float | None) -> Series:
    quantity, dots = QUANTITIES[key], []
    for place, layer in enumerate(known):
        value = layer.numbers.get(key)
        if key in layer.lost:
            dots.append(Dot(place, None, f"{layer.name}: {NOT_FINITE}", bad=True))
        elif value is not None:
            words = f"{layer.name}: {quantity.words(value)}"
            dots.append(Dot(place, value, words, bool(limit) and value > limit))
    return Series(quantity.heading.removesuffix(", std"), tuple(dots))


def bugs(row: Row, called: str) -> Plot | None:
    """Draw how much each planted bug changes the outputs, and whether a check caught it."""
    if not row.mutants:
        return None
    missed = row.power.missed if row.power else ()
    mutants = sorted(row.mutants, key=lambda m: m.effect or 0)
    dots = tuple(
        Dot(place, m.effect or 0, f"{m.name}: {number(m.effect)}, {m.fate}", m.name in missed)
        for place, m in enumerate(mutants)
    )
    caption = (
        f"What the same artifact's {called} would differ by with one bug in it, from the subtlest "
        f"to the grossest; the line is what {row.name} allows."
    )
    series = Series("", dots)
    if none := len(dots) - len(series.shown):
        caption += f" {none} without a finite effect, and without a dot."
    if missed:
        caption += f" Not caught: {', '.join(missed)}."
    names = [mutant.name for mutant in mutants]
    axis = f"error, {row.unit or 'std'}"
    return Plot(
        "Planted bugs",
        draw_rows(f"bugs-{row.name}", names, [series], row.allowed, axis, caption),
        caption,
    )


def draw_rows(
    name: str, names: list[str], series: list[Series], limit, axis: str, caption: str
) -> str:
    """Draw a row for each name, in the order given, with a dot of each series."""
    dots = [dot for one in series for dot in one.shown]
    limit = within(max(limit or 0, 0))
    values = [within(dot.value) for dot in dots if dot.value is not None]
    with drawing(name, min(0.5 + 0.2 * len(series) + 0.15 * len(names), 5.2)) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_xlim(*decades([value for value in (*values, limit) if value > 0]))
        edge = axes.get_xlim()[1]
        for dot in dots:  # a line from the name to the dot
            end = edge if dot.value is None else within(dot.value)
            axes.hlines(dot.place, 0, end, color=GRID, linewidth=1)
        for one, look in zip(series, SERIES, strict=False):
            _draw_series(sheet, one, look, edge)
        step = -(-len(names) // MOST_NAMES)
        axes.set_yticks(range(0, len(names), step), [shortened(name, 27) for name in names][::step])
        axes.tick_params(axis="y", length=0, labelsize=7)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="x", linewidth=0.6)
        if limit:
            axes.axvline(limit, color=INK, linewidth=1.4)
            label = {"ha": "center", "va": "bottom", "fontsize": 7, "color": INK}
            axes.annotate("allowed", (limit, -0.6), annotation_clip=False, **label)
        log_axis(axes.xaxis, f"{axis} (logarithmic)")
        if len(series) > 1:
            sheet.legend(len(series))
        return sheet.save(caption)


def _draw_series(sheet: Drawing, series: Series, look: tuple[str, str], edge: float) -> None:
    """Draw the dots of a series: bad ones in red, those without a finite value at the edge."""
    colour, marker = look
    sheet.axes.plot([], [], marker, color=colour, markersize=3.5, label=series.label)
    for shape, ink, dots in (
        (marker, colour, [dot for dot in series.shown if not dot.bad]),
        (marker, FAILED, [dot for dot in series.shown if dot.bad and dot.value is not None]),
        (">", FAILED, [dot for dot in series.shown if dot.value is None]),
    ):
        if not dots:
            continue  # a line of nothing would make the layout leave room for it
        values = [edge if dot.value is None else within(dot.value) for dot in dots]
        places = [dot.place for dot in dots]
        (drawn,) = sheet.axes.plot(values, places, shape, color=ink, markersize=3.5)
        drawn.set_clip_on(shape != ">")
        sheet.note(drawn, *(dot.words for dot in dots))
