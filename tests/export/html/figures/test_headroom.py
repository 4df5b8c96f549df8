"""The plot of room: every check is in it, and no label touches another or the limit."""

import itertools
import random

import pytest
from report_content import content

from export.html.facts import Bug, Row, facts
from export.html.figures import svg as figure
from export.html.figures.headroom import room
from export.html.figures.of_one import plots


@pytest.fixture
def overlaps(monkeypatch):
    """What touched in the figures that were drawn: two labels, or a label and something else."""
    found = []

    def look(sheet, label):
        whole, axes = sheet._figure, sheet.axes
        for _ in range(2):  # the layout settles
            whole.draw_without_rendering()
        boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
        limit = axes.transData.transform((1, 0))[0]
        found.extend(
            (a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.overlaps(two)
        )
        found.extend((text, "limit") for text, box in boxes if box.x0 <= limit <= box.x1)
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        for (text, box), tick in itertools.product(boxes, ticks):
            if box.overlaps(tick.get_window_extent()):
                found.append((text, f"tick {tick.get_text()}"))
        for text, box in boxes:
            if box.x0 < 0 or box.x1 > whole.bbox.width or box.y1 > whole.bbox.height:
                found.append((text, "edge of the figure"))
        return ""

    monkeypatch.setattr(figure.Drawing, "save", look)
    return found


def anywhere(dice: random.Random, near: float) -> float:
    """A number of a chance size, as often as not beside `near`."""
    far = dice.choice((0.3, 2, 6, 40))
    return near * 10 ** dice.choice((dice.uniform(-0.5, 0.5), dice.uniform(-far, far)))


def chance_row(dice: random.Random) -> Row:
    allowed = 10 ** dice.uniform(-6, 5)
    measured = dice.choice((anywhere(dice, allowed), anywhere(dice, allowed), 0.0, None))
    noise, bug = anywhere(dice, measured or allowed), anywhere(dice, measured or allowed)
    name, status = dice.choice(("parity", "x" * 40)), dice.choice(("passed", "failed"))
    found = {"measured": measured, "allowed": allowed, "noise": noise, "bug": Bug(bug)}
    return row(name, status=status, lost=measured is None, **found)


def row(name: str, **content) -> Row:
    known = {"status": "passed", "allowed": 1e-4, "unit": "std", "note": "", "scaled": True}
    return Row(name=name, **{**known, **content})


@pytest.mark.parametrize("seed", range(2))
def test_labels_never_touch(overlaps, seed):
    dice = random.Random(seed)
    for _ in range(10):
        room([chance_row(dice) for _ in range(6)])
    assert overlaps == []


@pytest.mark.parametrize(
    "measured, noise, bug",
    [(0.31, 1.3e-5, 0.611), (1e-4, 1e-4, 1e-4), (3.7e-6, 9e-5, 1.1e-4), (0.0, 0.0, 1e-9)],
)
def test_labels_do_not_touch_where_values_are_close(overlaps, measured, noise, bug):
    room([row("parity", measured=measured, noise=noise, bug=Bug(bug))])
    assert overlaps == []


@pytest.mark.parametrize("measured", [None, float("inf"), float("-inf"), float("nan")])
def test_what_is_not_finite_stands_failed_beyond_the_edge(measured):
    told = content(passed=False)
    told["checks"][3]["measured"] = measured
    plot = plots(facts(told))[0]
    assert "<title>parity: no finite value</title>" in plot.svg
    assert "var(--failed)" in plot.svg
    assert "parity: measured no finite value of 1.0e-04 std allowed" in plot.svg
    assert "parity measured no finite value and stands at the edge." in plot.caption


def test_what_was_skipped_has_no_row():
    assert "engine" not in plots(facts(content()))[0].svg
