"""Figures as SVG that belongs to its page: the page's fonts, and its colours in light and dark.

matplotlib draws. Every colour here is a stand-in, a different shade of almost black, which `save`
replaces by a variable of the page's style sheet. The same data give the same bytes.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import ModuleType
from xml.etree import ElementTree

from export.lazy import need

MODULES = ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_svg")
SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
COLOURS = ("shade", "ink", "muted", "grid", "measured", "noise", "bug", "failed", "other", "third")
SHADE, INK, MUTED, GRID, MEASURED, NOISE, BUG, FAILED, OTHER, THIRD = (
    f"#00000{index:x}" for index in range(1, 1 + len(COLOURS))
)
# Colours for a drawing that is a file of its own: on white, whatever shows it.
LIGHT = (
    "svg{background:#fff;font-family:sans-serif;--shade:#eef0f3;--ink:#14181f;--muted:#545d6b;"
    "--grid:#d5d9e0;--measured:#0a67a8;--noise:#5f6875;--bug:#b84a00;--failed:#b3151b;"
    "--other:#8a3f8f;--third:#0b7a6b}"
)
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
WIDTH = 4.4  # inches; 317 units of the drawing, so that 8 of them can be read on a phone
STYLE = {
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "text.parse_math": False,  # a layer's name with dollar signs is no formula
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that layout is the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class Drawing:
    """A figure of one plot."""

    def __init__(self, figure):
        self._figure = figure
        self.axes = figure.add_subplot()
        self._notes: dict[str, tuple[str, ...]] = {}

    def note(self, artist, *words: str) -> None:
        """Show each of `words` where a mouse rests on the marker of `artist` in the same place."""
        name = f"note-{len(self._notes)}"
        artist.set_gid(name)
        self._notes[name] = words

    def positions(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return the positions in the figure, in points of 1/72 inch, of data coordinates."""
        self._figure.draw_without_rendering()
        scale = 72 / self._figure.dpi
        return [tuple(self.axes.transData.transform(point) * scale) for point in points]

    def across(self) -> tuple[float, float]:
        """Return the left and the right edge of the plot, in points."""
        self._figure.draw_without_rendering()
        box, scale = self.axes.get_window_extent(), 72 / self._figure.dpi
        return box.x0 * scale, box.x1 * scale

    def widths(self, texts: list) -> list[float]:
        """Return the width of each text, in points."""
        return [text.get_window_extent().width * 72 / self._figure.dpi for text in texts]

    def legend(self, entries: int, columns: int = 3) -> None:
        """A legend above the plot."""
        self._figure.legend(
            loc="outside upper left", ncols=min(entries, columns), frameon=False, fontsize=7.5,
            handletextpad=0.2, columnspacing=1.2, borderaxespad=0.2,
        )  # fmt: skip

    def save(self, label: str) -> str:
        """Return the figure as an <svg> element; screen readers read its `label` aloud."""
        out = StringIO()
        self._figure.savefig(out, format="svg", metadata=NO_METADATA)
        root = ElementTree.fromstring(out.getvalue())
        root.remove(root.find(f"{SVG}defs"))  # a style for every element of the page
        for element in root.iter():
            self._adapt(element)
        for size in ("width", "height", "version"):
            del root.attrib[size]
        root.attrib |= {"role": "img", "aria-label": label}
        return ElementTree.tostring(root, encoding="unicode")

    def _adapt(self, element) -> None:
        """Make an element of matplotlib's one of the page."""
        element.tag = element.tag.removeprefix(SVG)
        element.text = (element.text or "").strip() or None
        element.tail = None
        has = element.attrib
        if element.tag == "g":
            words = self._notes.get(has.pop("id", ""), ())
            markers = list(element.iter(f"{SVG}use"))
            for marker, word in zip(markers, words, strict=True) if words else ():
                ElementTree.SubElement(marker, "title").text = word
        if HREF in has:
            has["href"] = has.pop(HREF)
        if element.tag == "a":  # tables have the same links, for the keyboard
            del has["target"]
            has["tabindex"] = "-1"
        if has.get("transform", "").startswith("rotate(-0 "):
            del has["transform"]
        if "style" in has:
            style = re.sub(r"#00000([1-9a])\b", _variable, has["style"])
            has["style"] = style.replace(f"font-family: '{STYLE['font.family']}'; ", "")
        for name in {"d", "x", "y", "transform", "width", "height"} & has.keys():
            has[name] = re.sub(r"(\.\d\d)\d+", r"\1", " ".join(has[name].split()))


def _variable(stand_in: re.Match) -> str:
    return f"var(--{COLOURS[int(stand_in[1], 16) - 1]})"


def load() -> list[ModuleType]:
    """Import MODULES, or raise MissingPackage."""
    return [need(name, to="drawing a report's figures") for name in MODULES]


@contextmanager
def drawing(name: str, height: float) -> Iterator[Drawing]:
    """Give a Drawing to draw on and save; `name` is the figure's own within its page.

    `height` is in inches.
    """
    matplotlib, figure, _ = load()
    # The salt makes ids repeat from run to run, and differ between the figures of a page.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names may be in any script. The browser has the letters, whatever the layout's font.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield Drawing(figure.Figure(figsize=(WIDTH, height), layout="constrained"))
