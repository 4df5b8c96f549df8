"""What a benchmark found, as people read it: ratios first, then milliseconds of this machine."""

WIDE, NARROW = 160, 100  # columns of a table that no terminal bounds; below which it is shortened


def print_records(records: list[dict]) -> None:
    """Print a line for each record to stdout, those of one model below each other."""
    from rich.console import Console

    console = Console(highlight=False)
    width = console.width if console.is_terminal else WIDE
    console = Console(highlight=False, width=width)
    console.print(_table(records, width))
    for why in dict.fromkeys(_doubt(record) for record in records if not record["valid"]):
        console.print(f"not valid: {why}", markup=False)


def _table(records: list[dict], width: int):
    from rich.markup import escape
    from rich.table import Table

    columns = {
        "model": lambda record: escape(str(record["model"])),
        "format": lambda record: escape(str(record["format"])),
        "runtime": lambda record: escape(str(record["runtime"])),
        "batch": lambda record: str(record["batch"]),
        "ratio": lambda record: _figure(record["ratio"], "{:.3g} x"),
        "median ms": lambda record: _mark(record, _figure(record["median_ms"])),
        "p90": lambda record: _figure(record["p90_ms"]),
        "p99": lambda record: _figure(record["p99_ms"]),
        "images/s": lambda record: _figure(record["images_per_s"]),
        "load s": lambda record: _figure(record["load_s"]),
        "first ms": lambda record: _figure(record["first_ms"]),
        "peak MB": lambda record: _figure(record["peak_rss_bytes"], "{:.0f}", 1e6),
    }
    if width < NARROW:
        wanted = ("format", "runtime", "batch", "ratio", "median ms")
        columns = {name: columns[name] for name in wanted}
    table = Table(box=None, pad_edge=False)
    for name in columns:
        left = name in ("model", "format", "runtime")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for record in records:
        table.add_row(*(show(record) for show in columns.values()))
    return table


def _figure(value: float | None, form: str = "{:.3g}", unit: float = 1.0) -> str:
    return "" if value is None else form.format(value / unit)


def _mark(record: dict, figure: str) -> str:
    """The figure; a question mark where it is not valid, and why in short where there is none."""
    if record["valid"]:
        return figure
    return f"{figure} ?" if figure else "-"


def _doubt(record: dict) -> str:
    where = f"{record['model']}/{record['format']} in {record['runtime']}"
    if record["median_ms"] is not None:
        where += f" at batch {record['batch']}"
    return f"{where}: {record['why']}"
