"""The figure of headroom: noise, measured value and smallest bug of each check on one scale."""

import math
from dataclasses import dataclass

from export.html.facts import Row
from export.html.figures.axes import Plot, log_axis, within
from export.html.figures.svg import BUG, FAILED, GRID, INK, MEASURED, NOISE, SHADE, Drawing, drawing
from export.html.words import shortened
from export.wording import NOT_FINITE, number, times

CLEAR = 4  # points between labels, and between a label and the limit
# Bottoms of labels in points over their row, in the order in which they are tried; a row has 44.
ABOVE, BELOW, HIGHER = 6, -16, 16
LABEL = {"textcoords": "offset points", "annotation_clip": False, "ha": "center", "fontsize": 7.5}


@dataclass(frozen=True)
class _Style:
    """How a kind of value is drawn, and the lanes that its label tries in turn."""

    marker: str
    colour: str
    lanes: tuple[int, ...] = (ABOVE,)


@dataclass(frozen=True)
class _Mark:
    """A marker and its label. `ratio` is to what is allowed; 0 and None stand at the edges."""

    row: int
    ratio: float | None
    words: str
    style: _Style

    @property
    def fits(self) -> bool:
        """Return whether it stands on the side of the limit that passes."""
        return self.ratio is not None and self.ratio <= 1


def room(rows: list[Row]) -> Plot | None:
    """Noise, measured, allowed and smallest bug of each check, as multiples of what is allowed."""
    if not rows:
        return None
    marks = [mark for place, row in enumerate(rows) for mark in _marks(place, row)]
    with drawing("room", 0.55 + 0.62 * len(rows)) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        axes.set_ylim(len(rows) - 0.45, -0.6)
        names = [f"{shortened(row.name)}\nallowed {number(row.allowed, row.unit)}" for row in rows]
        axes.set_yticks(range(len(rows)), names, color=INK, fontsize=7.5)
        axes.tick_params(axis="y", length=0)
        labels = [
            axes.annotate(m.words, (1, m.row), xytext=(0, 0), color=m.style.colour, **LABEL)
            for m in marks
        ]
        for label in labels:
            label.set_in_layout(False)  # it is put where the layout leaves room
        axes.set_xlim(*_limits(sheet, marks, labels))
        log_axis(axes.xaxis, "times what is allowed (logarithmic)")
        axes.axvspan(1, axes.get_xlim()[1], color=SHADE, linewidth=0, zorder=0)
        axes.axvline(1, color=INK, linewidth=1.4)
        for mark in marks:
            _draw(sheet, mark, rows[mark.row].name)
        _place(sheet, marks, labels)
        label = "; ".join(map(_in_words, rows))
        known = any(row.noise is not None or row.bug for row in rows)
        heading = "Room between noise and bug" if known else "Room below the limit"
        return Plot(heading, sheet.save(label), _caption(rows))


def _marks(place: int, row: Row) -> list[_Mark]:
    """Return the marks of a check; the measured value first, so that its label gets its place."""

    def ratio(value: float) -> float:
        return within(abs(value) / row.allowed)

    seen = []
    if row.lost:
        seen.append(_Mark(place, None, NOT_FINITE, _Style(">", FAILED)))
    elif row.measured is not None:
        style = _Style("D", FAILED if row.beyond else MEASURED)
        seen.append(_Mark(place, ratio(row.measured), number(row.measured, row.unit), style))
    if row.noise is not None:
        style = _Style("|", NOISE, (BELOW,))
        seen.append(_Mark(place, ratio(row.noise), f"noise {number(row.noise)}", style))
    if row.bug:
        style = _Style("X", BUG, (ABOVE, BELOW, HIGHER))
        seen.append(_Mark(place, ratio(row.bug.size), f"bug {number(row.bug.size)}", style))
    return seen


def _limits(sheet: Drawing, marks: list[_Mark], labels: list) -> tuple[float, float]:
    """Return x limits that fit every mark, and the widest label on each side of the limit line."""
    ratios = [mark.ratio for mark in marks if mark.ratio] + [1.0]
    low, high = min(min(ratios) / 6, 1 / 300), max(max(ratios) * 6, 30)
    (left, right), widths = sheet.across(), sheet.widths(labels)
    shares = [
        (mark, (width + 2 * CLEAR) / (right - left))
        for mark, width in zip(marks, widths, strict=True)
    ]
    below = max((share for mark, share in shares if mark.fits), default=0.0)
    above = max((share for mark, share in shares if not mark.fits), default=0.0)
    low_decades, high_decades = -math.log10(low), math.log10(high)
    low_decades = max(low_decades, high_decades * below / (1 - below))
    high_decades = max(high_decades, low_decades * above / (1 - above))
    return 10**-low_decades, 10**high_decades


def _draw(sheet: Drawing, mark: _Mark, name: str) -> None:
    axes = sheet.axes
    axes.axhline(mark.row, color=GRID, linewidth=0.8, zorder=0)
    (point,) = axes.plot(
        [_x(sheet, mark)], [mark.row], mark.style.marker, color=mark.style.colour,
        # A bar for the noise, that shows behind a measured value of the same size.
        markersize=12 if mark.style.marker == "|" else 6, markeredgewidth=1.6,
        clip_on=False, zorder=3,
    )  # fmt: skip
    sheet.note(point, f"{name}: {mark.words}")


def _x(sheet: Drawing, mark: _Mark) -> float:
    """Return the x of a mark: the left edge for exactly 0, the right edge if not finite."""
    left, right = sheet.axes.get_xlim()
    return right if mark.ratio is None else mark.ratio or left


def _place(sheet: Drawing, marks: list[_Mark], labels: list) -> None:
    """Put each label over its mark, on the same side of the limit, clear of the row's others."""
    (left, right), widths = sheet.across(), sheet.widths(labels)
    ((limit, _), *points) = sheet.positions([(1, 0), *((_x(sheet, m), m.row) for m in marks)])
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}  # by row and lane
    for mark, label, width, (x, _) in zip(marks, labels, widths, points, strict=True):
        first, last = (left, limit - CLEAR) if mark.fits else (limit + CLEAR, right)
        start = min(max(x - width / 2, first), last - width)
        for lane in mark.style.lanes:
            others = taken.setdefault((mark.row, lane), [])
            if all(start > b + CLEAR or start + width + CLEAR < a for a, b in others):
                break
        others.append((start, start + width))
        label.set_position((start + width / 2 - limit, lane))


def _in_words(row: Row) -> str:
    measured = NOT_FINITE if row.lost else number(row.measured, row.unit)
    line = f"{row.name}: measured {measured}"
    line += f" of {number(row.allowed, row.unit)} allowed"
    line += f", noise {number(row.noise)}" if row.noise is not None else ""
    return line + (f", smallest bug {number(row.bug.size)}" if row.bug else "")


def _caption(rows: list[Row]) -> str:
    caption = "Each check's value against its own limit; in the shaded part it fails."
    if lost := [row.name for row in rows if row.lost]:
        caption += f" {', '.join(lost)} measured {NOT_FINITE} and stands at the edge."
    for row in (row for row in rows if row.bug):
        name = f" ({row.bug.name})" if row.bug.name else ""
        ratio = within(row.bug.size / row.allowed) or 1e-40
        far = f"{times(ratio)} above" if ratio >= 1 else f"{times(1 / ratio)} below"
        caption += f" {row.name}: the smallest bug that it alone sees{name} is {far} the limit."
    return caption
