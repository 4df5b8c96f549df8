"""A table as Markdown."""

from collections.abc import Iterable, Sequence


def markdown(header: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """The table, a line a row; `align` has an `l` or `r` for each column."""
    marks = ["--:" if side == "r" else "---" for side in align]
    lines = (_line(cells) for cells in (header, marks, *rows))
    return "".join(lines)


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", r"\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"
