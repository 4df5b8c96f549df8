"""The figures of one report."""

from export.contract import LOGITS
from export.html.facts import Facts, Histogram, Row
from export.html.figures.axes import Plot, log_axis, within
from export.html.figures.headroom import room
from export.html.figures.rows import bugs, layers
from export.html.figures.svg import INK, MEASURED, MUTED, drawing
from export.wording import number


def plots(facts: Facts) -> list[Plot]:
    """Draw the figures that the report has data for."""
    found = [room([row for row in facts.rows if row.scaled])]
    found += [histogram(row, row.errors, facts.called) for row in facts.rows if row.errors]
    found += [bugs(row, facts.called) for row in facts.rows]
    found += [plot for row in facts.rows for plot in layers(row)]
    return [plot for plot in found if plot]


def histogram(row: Row, errors: Histogram, called: str) -> Plot:
    """Draw how many values of the outputs have an error of which size."""
    values = called if called == LOGITS else f"values of {called}"
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
        axes.set_ylabel("logits" if called == LOGITS else "values")
        log_axis(axes.xaxis, f"absolute error, {row.unit or 'std'} (logarithmic)")
        worst = errors.edges[-1]
        label = (
            f"histogram of the errors of {errors.values:,} {values}: half at most "
            f"{number(errors.median)}, 99 % at most {number(errors.p99)}, worst {number(worst)}"
        )
        svg = sheet.save(label)
    caption = (
        f"{errors.values:,} {values}, in standard deviations of the reference. Half err by at most "
        f"{number(errors.median)}, 99 % by at most {number(errors.p99)}, the worst by "
        f"{number(worst)}."
    )
    if errors.smaller:
        caption += f" {errors.smaller:,} with smaller errors, or none, are left of the picture."
    name = "Logit errors" if called == LOGITS else f"Errors of {called}"
    return Plot(name if row.name == "parity" else f"{name}: {row.name}", svg, caption)
