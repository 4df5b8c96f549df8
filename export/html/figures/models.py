"""The names of models, written into a figure beside their points."""

from collections.abc import Iterable

from export.html.figures.svg import MUTED, Drawing
from export.html.words import shortened

MOST_LABELS = 16  # models that are named within the figure
HEIGHT = 9.5  # points that a label takes


def name_models(sheet: Drawing, points: Iterable[tuple[str, float, float]]) -> None:
    """Write each model's name above its highest point, and higher where another name stands.

    `points` are names, and x and y in the figure's data.
    """
    top: dict[str, tuple[float, float]] = {}
    for model, x, y in sorted(points, key=lambda point: point[2]):
        top[model] = x, y
    if len(top) > MOST_LABELS:
        return
    taken: list[tuple[float, float, float]] = []  # left, right and bottom of names
    places = sheet.positions(list(top.values()))
    for (x, y), (model, point) in sorted(zip(places, top.items(), strict=True), key=_height):
        half, bottom = 2.2 * len(shortened(model)), y + 5
        for left, right, other in sorted(taken, key=lambda name: name[2]):
            if left < x + half and x - half < right and abs(bottom - other) < HEIGHT:
                bottom = other + HEIGHT
        taken.append((x - half, x + half, bottom))
        sheet.axes.annotate(
            shortened(model), point, xytext=(0, bottom - y),
            textcoords="offset points", ha="center", va="bottom", fontsize=7, color=MUTED,
        )  # fmt: skip


def _height(placed) -> float:
    return placed[0][1]
