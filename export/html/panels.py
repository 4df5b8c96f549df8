"""The figures of many reports: size against error, then time and memory."""

from itertools import cycle

from export.html.facts import Facts
from export.html.figure import BUG, GRID, INK, MEASURED, MUTED, NOISE, OTHER, THIRD, drawing
from export.html.plots import Plot, log_axis
from export.html.words import duration, number, size

LOOKS = tuple(zip("osD^vP", (MEASURED, BUG, OTHER, THIRD, NOISE, INK), strict=True))
MOST_LABELS = 16  # models that are named within the figure
HEIGHT = 9.5  # points that a label takes


def panels(known: list[Facts], links: list[str]) -> list[Plot]:
    """Every figure that there are numbers for; a point leads to its report."""
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


def _scatter(known, links, looks, heading, across, upward) -> Plot | None:
    """A point for each report that has both numbers; formats differ in shape and colour."""
    (x_label, x_of, x_words), (y_label, y_of, y_words) = across, upward
    shown = [(f, link) for f, link in zip(known, links, strict=True) if x_of(f) > 0 < y_of(f)]
    if not shown:
        return None
    with drawing(heading, 3.1) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name, (marker, colour) in looks.items():
            group = [(fact, link) for fact, link in shown if fact.format == name]
            for place, (fact, link) in enumerate(group):
                (point,) = axes.plot(
                    [x_of(fact)], [y_of(fact)], marker, color=colour, ms=5.5, mew=1.2,
                    mfc=colour if fact.passed else "none", label=None if place else name,
                )  # fmt: skip
                point.set_url(link)
                failed = "" if fact.passed else ", NOT verified"
                words = f"{fact.model} {name}: {x_words(fact)}, {y_words(fact)}{failed}"
                sheet.note(point, words)
        axes.grid(linewidth=0.6, color=GRID)
        axes.margins(0.14, 0.16)
        log_axis(axes.xaxis, f"{x_label} (logarithmic)")
        log_axis(axes.yaxis, f"{y_label} (logarithmic)")
        sheet.legend(len(looks))
        _name_models(sheet, [fact for fact, _ in shown], x_of, y_of)
        svg = sheet.save(f"{heading.lower()} of {len(shown)} artifacts; the table has the numbers")
    left_out = len(known) - len(shown)
    caption = "A point is an artifact and leads to its report; hollow ones are not verified."
    if left_out:
        caption += f" {left_out} without such numbers, or with an error of 0, are left out."
    return Plot(heading, svg, caption)


def _name_models(sheet, shown: list[Facts], x_of, y_of) -> None:
    """Write each model's name above its highest point, and higher where another name stands."""
    top: dict[str, Facts] = {}
    for fact in shown:
        if fact.model not in top or y_of(fact) > y_of(top[fact.model]):
            top[fact.model] = fact
    if len(top) > MOST_LABELS:
        return
    taken: list[tuple[float, float, float]] = []  # left, right and bottom of names, in points
    for model, fact in sorted(top.items(), key=lambda item: y_of(item[1])):
        x, y = sheet.position(x_of(fact), y_of(fact))
        half, bottom = 2.2 * len(model), y + 5
        for left, right, other in sorted(taken, key=lambda name: name[2]):
            if left < x + half and x - half < right and abs(bottom - other) < HEIGHT:
                bottom = other + HEIGHT
        taken.append((x - half, x + half, bottom))
        sheet.axes.annotate(
            model, (x_of(fact), y_of(fact)), xytext=(0, bottom - y), textcoords="offset points",
            ha="center", va="bottom", fontsize=7, color=MUTED,
        )  # fmt: skip
