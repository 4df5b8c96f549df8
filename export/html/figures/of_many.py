"""The figures of many reports: size against error, then time and memory."""

from dataclasses import dataclass
from itertools import cycle

from export.html.facts import Facts
from export.html.figures.axes import Plot, log_axis, within
from export.html.figures.models import name_models
from export.html.figures.svg import BUG, GRID, INK, MEASURED, NOISE, OTHER, THIRD, drawing
from export.html.words import shortened
from export.wording import duration, number, size

LOOKS = tuple(zip("osD^vP", (MEASURED, BUG, OTHER, THIRD, NOISE, INK), strict=True))


def panels(known: list[Facts], links: list[str]) -> list[Plot]:
    """Draw the figures that there are numbers for; a click on a point opens its report."""
    looks = dict(zip(dict.fromkeys(fact.format for fact in known), cycle(LOOKS), strict=False))
    found = [
        _scatter(
            known, links, looks, "Size against error",
            ("artifact, MB", lambda fact: (fact.bytes or 0) / 1e6, size_of),
            ("worst logit error, std", _error, error_of),
        ),
        _scatter(
            known, links, looks, "Time against memory",
            ("time of the run, s", lambda fact: fact.wall_s or 0, time_of),
            ("peak memory, GB", lambda fact: (fact.peak_rss_bytes or 0) / 1e9, memory_of),
        ),
    ]  # fmt: skip
    return [plot for plot in found if plot]


def size_of(fact: Facts) -> str:
    return size(fact.bytes)


def time_of(fact: Facts) -> str:
    return duration(fact.wall_s)


def memory_of(fact: Facts) -> str:
    return size(fact.peak_rss_bytes)


def error_of(fact: Facts) -> str:
    return number(fact.parity.measured, fact.parity.unit) if fact.parity else number(None)


def _error(fact: Facts) -> float:
    return (fact.parity.measured or 0) if fact.parity else 0


@dataclass(frozen=True)
class _Point:
    fact: Facts
    link: str
    x: float
    y: float


def _scatter(known, links, looks, heading, across, upward) -> Plot | None:
    """Draw a point for each report that has both numbers; formats differ in shape and colour."""
    (x_label, x_of, x_words), (y_label, y_of, y_words) = across, upward
    points = [
        _Point(fact, link, within(max(x_of(fact), 0)), within(max(y_of(fact), 0)))
        for fact, link in zip(known, links, strict=True)
    ]
    points = [point for point in points if point.x > 0 < point.y]
    if not points:
        return None
    with drawing(heading, 3.1) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name, (marker, colour) in looks.items():
            for place, point in enumerate(p for p in points if p.fact.format == name):
                fact = point.fact
                (dot,) = axes.plot(
                    [point.x], [point.y], marker, color=colour, ms=5.5, mew=1.2,
                    mfc=colour if fact.passed else "none", label=None if place else shortened(name),
                )  # fmt: skip
                dot.set_url(point.link)
                failed = "" if fact.passed else ", NOT verified"
                sheet.note(dot, f"{fact.model} {name}: {x_words(fact)}, {y_words(fact)}{failed}")
        axes.grid(linewidth=0.6, color=GRID)
        axes.margins(0.14, 0.16)
        log_axis(axes.xaxis, f"{x_label} (logarithmic)")
        log_axis(axes.yaxis, f"{y_label} (logarithmic)")
        sheet.legend(len(looks))
        name_models(sheet, [(point.fact.model, point.x, point.y) for point in points])
        svg = sheet.save(f"{heading.lower()} of {len(points)} artifacts; the table has the numbers")
    caption = "A point is an artifact and leads to its report; hollow ones are not verified."
    if left_out := len(known) - len(points):
        caption += f" {left_out} without such numbers, or with an error of 0, are left out."
    return Plot(heading, svg, caption)
