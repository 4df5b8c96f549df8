"""Lines for a terminal that are broken between words and go on below where they began."""


def hanging(left: str, right, width: int):
    """Return a renderable: `left` in `width` columns, and beside it `right`, whatever its length.

    Both are texts with rich's markup; `right` may be any other renderable.
    """
    from rich.table import Table

    row = Table.grid()
    row.add_column(width=width, no_wrap=True)
    row.add_column(ratio=1, overflow="fold")
    row.add_row(left, right)
    return row


def print_hanging(console, left: str, right: str, width: int) -> None:
    """Print such a line; one line, however long, where no terminal says how wide it is."""
    from rich.text import Text

    if console.is_terminal:
        console.print(hanging(left, right, width))
        return
    begun = Text.from_markup(left)
    begun.pad_right(max(width - len(begun), 0))
    console.print(begun + Text.from_markup(right), soft_wrap=True)
