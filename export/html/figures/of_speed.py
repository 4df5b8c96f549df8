"""The figures of a benchmark: latency against batch size and file size, first calls, and memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from export.html.figures.axes import Plot, decades, log_axis, within
from export.html.figures.models import name_models
from export.html.figures.rows import Dot, Series, draw_rows
from export.html.figures.svg import (
    BUG,
    GRID,
    INK,
    MEASURED,
    NOISE,
    OTHER,
    THIRD,
    Drawing,
    drawing,
)
from export.html.records import Benchmark, Speed
from export.html.words import shortened
from export.wording import duration, number, size

COLOURS = (MEASURED, BUG, OTHER, THIRD, NOISE, INK)
MARKERS = "osD^vPX<>*ph"  # as many shapes as there may well be ways, so that grey tells them apart
LINES = ("-", "--", ":", "-.")
HOLLOW = "Hollow ones are in doubt; the table says why."


def across_models(found: Benchmark) -> Plot | None:
    """Size against latency, of all models at the smallest batch size of each."""
    least = {
        (speed.model, found.way(speed)): speed
        for speed in sorted(found.speeds, key=lambda speed: -(speed.batch or 0))
        if speed.median_ms and speed.bytes
    }
    groups = _by_way(found, least.values())
    if not groups:
        return None
    with drawing("size-latency", 3.1 + 0.1 * len(groups)) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_yscale("log")
        for way, own in groups.items():
            points = [_size_and_latency(speed) for speed in own]
            _draw(sheet, way, own, points, replace(_looks(found)[way], line=""))
        axes.grid(linewidth=0.6, color=GRID)
        axes.margins(0.14, 0.16)
        log_axis(axes.xaxis, "artifact, MB (logarithmic)")
        log_axis(axes.yaxis, "median, ms (logarithmic)")
        sheet.legend(len(groups), columns=2)
        name_models(sheet, [(one.model, *_size_and_latency(one)) for one in least.values()])
        svg = sheet.save(f"size against latency of {len(least)} artifacts; the table has both")
    batches = sorted({int(speed.batch) for speed in least.values() if speed.batch})
    caption = f"Medians at batch size {', '.join(map(str, batches))}. {HOLLOW}"
    return Plot("Size against latency", svg, caption)


def _size_and_latency(speed: Speed) -> tuple[float, float]:
    return within(speed.bytes / 1e6), within(speed.median_ms)


def of_model(found: Benchmark, model: str) -> list[Plot]:
    """The figures of one model that there are numbers for."""
    speeds = [speed for speed in found.models[model] if speed.median_ms and speed.batch]
    groups = _by_way(found, speeds)
    once = {way: min(own, key=lambda one: one.batch) for way, own in groups.items()}
    plots = [
        _latency(found, model, groups),
        _each(model, once, "First call", "time, s", _first, duration),
        _each(model, once, "Peak memory", "memory, GB", _memory, lambda gb: size(1e9 * gb)),
    ]
    return [plot for plot in plots if plot]


def _by_way(found: Benchmark, speeds: Iterable[Speed]) -> dict[str, list[Speed]]:
    groups: dict[str, list[Speed]] = {}
    for speed in speeds:
        groups.setdefault(found.way(speed), []).append(speed)
    return groups


def _latency(found: Benchmark, model: str, groups: dict[str, list[Speed]]) -> Plot | None:
    speeds = [speed for own in groups.values() for speed in own]
    if not speeds:
        return None
    batches = sorted({int(speed.batch) for speed in speeds})
    with drawing(f"latency-{model}", 2.6 + 0.1 * len(groups)) as sheet:
        axes = sheet.axes
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for way, own in groups.items():
            own = sorted(own, key=lambda speed: speed.batch)
            points = [(speed.batch, within(speed.median_ms)) for speed in own]
            _draw(sheet, way, own, points, _looks(found)[way])
        axes.set_ylim(*decades([within(speed.median_ms) for speed in speeds]))
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.set_xlabel("batch size (logarithmic)")
        axes.minorticks_off()
        axes.grid(linewidth=0.6, color=GRID)
        log_axis(axes.yaxis, "median, ms (logarithmic)")
        sheet.legend(len(groups), columns=2)
        svg = sheet.save(f"latency of {model} against batch size; the table has the numbers")
    return Plot("Latency against batch size", svg, f"Of a whole batch. {HOLLOW}")


@dataclass(frozen=True)
class _Look:
    marker: str
    colour: str
    line: str  # between markers; empty for none


def _looks(found: Benchmark) -> dict[str, _Look]:
    """The look of each way, the same in all figures of a page."""
    return {
        way: _Look(
            MARKERS[at % len(MARKERS)],
            COLOURS[at % len(COLOURS)],
            LINES[at // len(COLOURS) % len(LINES)],
        )
        for at, way in enumerate(dict.fromkeys(map(found.way, found.speeds)))
    }


def _draw(sheet: Drawing, way: str, speeds: list[Speed], points: list, look: _Look) -> None:
    """Draw a way's points, hollow where they are in doubt, and the line between them."""
    looks = {"color": look.colour, "linewidth": 1.1, "linestyle": look.line or "none"}
    sheet.axes.plot(*zip(*points, strict=True), **looks)
    sheet.axes.plot([], [], marker=look.marker, ms=4.5, label=shortened(way, 34), **looks)
    for speed, point in zip(speeds, points, strict=True):
        fill, doubt = (look.colour, "") if speed.valid else ("none", ", in doubt")
        (dot,) = sheet.axes.plot(
            point[:1], point[1:], look.marker, color=look.colour, ms=5, mew=1.1, mfc=fill
        )
        what = f"{speed.model} {way}, batch {number(speed.batch)}"
        sheet.note(dot, f"{what}: {number(speed.median_ms, 'ms')}{doubt}")


def _first(speed: Speed) -> dict[str, float | None]:
    first = None if speed.first_ms is None else speed.first_ms / 1e3
    return {"load": speed.load_s, "first call": first}


def _memory(speed: Speed) -> dict[str, float | None]:
    peak = speed.peak_rss_bytes
    return {"peak memory of the process": None if peak is None else peak / 1e9}


def _each(
    model: str,
    once: dict[str, Speed],
    heading: str,
    axis: str,
    values: Callable[[Speed], dict[str, float | None]],
    words: Callable[[float], str],
) -> Plot | None:
    """A row for each way, with a dot for each of the values that it has."""
    ways = [way for way, speed in once.items() if any(values(speed).values())]
    if not ways:
        return None
    series = []
    for label in values(once[ways[0]]):
        found = [(at, way, values(once[way])[label]) for at, way in enumerate(ways)]
        dots = tuple(Dot(at, v, f"{way}, {label}: {words(v)}") for at, way, v in found if v)
        series.append(Series(label, dots))
    caption = f"{heading} of {model}, each in a process of its own."
    name = f"{heading.lower().replace(' ', '-')}-{model}"
    return Plot(heading, draw_rows(name, ways, series, None, axis, caption), caption)
