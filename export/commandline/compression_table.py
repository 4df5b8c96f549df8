"""What a compression did, as people see it on standard output."""

from export.compression.compress import Compressed


def print_compression(done: Compressed) -> None:
    """Print a row for each layer, why some were left alone, and where the network lies."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("layer", overflow="fold")
    for heading in ("zero", "pattern", "distinct values"):
        table.add_column(heading, justify="right", overflow="fold")
    for layer in done.content["layers"]:
        table.add_row(
            escape(layer["name"]),
            f"{layer['sparsity']:.1%}",
            layer["pattern"],
            f"{layer['distinct']:,}",
        )
    console.print(table)
    for name, why in done.left.items():
        console.print(f"[yellow]left alone[/]  {escape(name)}: {escape(why)}", soft_wrap=True)
    console.print(f"[bold]{escape(str(done.path))}[/]", soft_wrap=True)
