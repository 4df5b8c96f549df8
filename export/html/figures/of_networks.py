"""The figure of docs/models.md: what networks cost, and how accurate they are."""

from collections.abc import Iterable

from export.html.figures.axes import log_axis
from export.html.figures.models import name_models
from export.html.figures.svg import GRID, LIGHT, MEASURED, drawing

NAMES = (  # how large a file of float32 is, in MB, and the marker that says so
    (10, "o", "weights to 10 MB"),
    (300, "s", "to 300 MB"),
    (float("inf"), "D", "larger"),
)


def accuracy(networks: Iterable[tuple[str, float, float, float]]) -> str:
    """Draw networks as an SVG file: name, GMACs, top-1 (0 to 1) and MB of its weights of each."""
    networks = list(networks)
    with drawing("accuracy", 3.0) as sheet:
        axes = sheet.axes
        axes.set_xscale("log")
        below = 0
        for most, marker, label in NAMES:
            points = [(gmacs, top1) for _, gmacs, top1, mb in networks if below <= mb < most]
            below = most
            if points:
                axes.plot(*zip(*points, strict=True), marker, color=MEASURED, ms=5, label=label)
        axes.grid(linewidth=0.6, color=GRID)
        axes.margins(0.16, 0.14)
        log_axis(axes.xaxis, "multiply-accumulates of an image, G (logarithmic)")
        axes.set_ylabel("published top-1")
        sheet.legend(len(NAMES))
        name_models(sheet, [(name, gmacs, top1) for name, gmacs, top1, _ in networks])
        svg = sheet.save("published top-1 of networks against what an image costs them")
    size = 'xmlns="http://www.w3.org/2000/svg" width="660"'
    return svg.replace("<svg", f"<svg {size}", 1).replace(">", f"><style>{LIGHT}</style>", 1) + "\n"
