"""The figures of one report."""

from export.html.axes import Plot, log_axis, within
from export.html.dots import bugs, layers
from export.html.facts import Facts, Histogram, Row
from export.html.figure import (
    BUG,
    FAILED,
    GRID,
    INK,
    MEASURED,
    MUTED,
    NOISE,
    SHADE,
    Drawing,
    drawing,
)
from export.html.words import brief, number, times

AWAY = {"xytext": (0, 6), "textcoords": "offset points", "annotation_clip": False}


def plots(facts: Facts) -> list[Plot]:
    """Every figure that the report has data for."""
    found = [room([row for row in facts.rows if row.scaled])]
    found += [histogram(row, row.errors) for row in facts.rows if row.errors]
    found += [bugs(row) for row in facts.rows]
    found += [plot for row in facts.rows for plot in layers(row)]
    return [plot for plot in found if plot]


def room(rows: list[Row]) -> Plot | None:
    """Noise, measured, allowed and smallest bug of each check, as multiples of what is allowed."""
    if not rows:
        return None
    with drawing("room", 0.55 + 0.62 * len(rows)) as sheet:
        axes = sheet.axes
        marks = [_marks(row) for row in rows]
        ratios = [ratio for of_row in marks for ratio, *_ in of_row if ratio > 0] + [1.0]
        low, high = min(ratios) / 6, max(ratios) * 6
        axes.set_xscale("log")
        axes.set_xlim(min(low, 1 / 300), max(high, 30))
        axes.set_ylim(len(rows) - 0.45, -0.6)
        axes.set_yticks(range(len(rows)), [brief(row.name) for row in rows], color=INK)
        axes.tick_params(axis="y", length=0)
        axes.axvspan(1, max(high, 30), color=SHADE, linewidth=0, zorder=0)
        axes.axvline(1, color=INK, linewidth=1.4)
        for place, (row, of_row) in enumerate(zip(rows, marks, strict=True)):
            _draw_marks(sheet, place, row, of_row, axes.get_xlim()[0])
        log_axis(axes.xaxis, "times what is allowed (logarithmic)")
        label = "; ".join(map(_room_in_words, rows))
        known = any(row.noise is not None or row.bug for row in rows)
        heading = "Room between noise and bug" if known else "Room below the limit"
        return Plot(heading, sheet.save(label), _room_caption(rows))


def _marks(row: Row) -> list[tuple[float, str, str, str, bool]]:
    """Ratio to what is allowed, words, marker, colour, and whether its label goes below."""
    seen = []

    def ratio(value: float) -> float:
        return within(abs(value) / row.allowed)

    if row.noise is not None:
        seen.append((ratio(row.noise), f"noise {number(row.noise)}", "|", NOISE, True))
    if row.bug:
        seen.append((ratio(row.bug.size), f"bug {number(row.bug.size)}", "X", BUG, False))
    if row.measured is not None:
        colour = FAILED if row.status == "failed" else MEASURED
        words = number(row.measured, row.unit)
        seen.append((ratio(row.measured), words, "D", colour, False))
    return seen


def _draw_marks(sheet: Drawing, place: int, row: Row, marks: list, left: float) -> None:
    axes = sheet.axes
    axes.axhline(place, color=GRID, linewidth=0.8, zorder=0)
    for ratio, words, marker, colour, below in marks:
        x = ratio or left  # exactly 0 stands at the edge
        size = 9 if marker == "|" else 6
        (point,) = axes.plot(
            [x], [place], marker, color=colour, markersize=size, markeredgewidth=1.6,
            markerfacecolor=colour, clip_on=False, zorder=3,
        )  # fmt: skip
        sheet.note(point, f"{row.name}: {words}")
        side = {"xytext": (0, -6), "va": "top"} if below else {"va": "bottom"}
        align = {"ha": "left" if ratio == 0 else "center", "color": colour, "fontsize": 7.5}
        axes.annotate(words, (x, place), **{**AWAY, **side, **align})
    allowed = {"xytext": (3, -6), "va": "top", "ha": "left", "color": MUTED, "fontsize": 7.5}
    axes.annotate(f"allowed {number(row.allowed)}", (1, place), **{**AWAY, **allowed})


def _room_in_words(row: Row) -> str:
    said = f"{row.name}: measured {number(row.measured, row.unit)}"
    said += f" of {number(row.allowed, row.unit)} allowed"
    said += f", noise {number(row.noise)}" if row.noise is not None else ""
    return said + (f", smallest bug {number(row.bug.size)}" if row.bug else "")


def _room_caption(rows: list[Row]) -> str:
    said = "Each check's value against its own limit; in the shaded part it fails."
    bugs = [row for row in rows if row.bug and row.allowed]
    for row in bugs:
        name = f" ({row.bug.name})" if row.bug.name else ""
        ratio = within(row.bug.size / row.allowed) or 1e-40
        far = f"{times(ratio)} above" if ratio >= 1 else f"{times(1 / ratio)} below"
        said += f" {row.name}: the smallest bug that it alone sees{name} is {far} the limit."
    return said


def histogram(row: Row, errors: Histogram) -> Plot:
    """How many logits err by how much."""
    with drawing(f"errors-{row.name}", 2.1) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        edges = [within(edge) for edge in errors.edges]
        axes.stairs(errors.counts, edges, fill=True, color=MEASURED, linewidth=0)
        marks = [(errors.median, "median", MUTED), (row.allowed, "allowed", INK)]
        marks = [(within(max(value or 0, 0)), *rest) for value, *rest in marks]
        top = max(max(errors.counts), 1)
        axes.set_ylim(0, top * 1.18)
        for value, name, colour in marks:
            if value:
                axes.axvline(value, color=colour, linewidth=1.4)
                axes.annotate(name, (value, top * 1.16), color=colour, fontsize=7.5, va="top",
                              xytext=(-3, 0), textcoords="offset points", ha="right")  # fmt: skip
        axes.set_xlim(edges[0], 2 * max(edges[-1], marks[1][0]))
        axes.set_ylabel("logits")
        log_axis(axes.xaxis, f"absolute error, {row.unit or 'std'} (logarithmic)")
        worst = errors.edges[-1]
        label = (
            f"histogram of {errors.values:,} logit errors: half below {number(errors.median)}, "
            f"99 % below {number(errors.p99)}, worst {number(worst)}"
        )
        svg = sheet.save(label)
    caption = (
        f"{errors.values:,} logits, in standard deviations of the reference. Half err by less than "
        f"{number(errors.median)}, 99 % by less than {number(errors.p99)}, the worst by "
        f"{number(worst)}."
    )
    if errors.smaller:
        caption += f" {errors.smaller:,} with smaller errors, or none, are left of the picture."
    name = "Logit errors" if row.name == "parity" else f"Logit errors: {row.name}"
    return Plot(name, svg, caption)
