"""What a network costs, as people read it: a row a layer, and sums in each convention."""

from dataclasses import asdict

from export.commandline.console import make_console
from export.complexity import Complexity
from export.wording import counted

NARROW = 90  # columns below which the least needed ones are left out
WIDE = 160  # columns of a table that no terminal bounds


def as_dict(complexity: Complexity, page_params: int | None) -> dict:
    """Return the same as JSON: exact integers, one entry a layer, and sums."""
    return {
        "model": complexity.model,
        "inputs": {name: list(shape) for name, shape in complexity.inputs.items()},
        "totals": totals(complexity, page_params),
        "layers": [
            {**asdict(layer), "output": list(layer.output), "macs": layer.macs}
            for layer in complexity.layers
        ],
    }


def totals(complexity: Complexity, page_params: int | None) -> dict[str, int | None]:
    """Return sums in each convention, exact.

    `params` counts as Keras does, `macs` as torchvision and timm do, `page_flops` and `page_params`
    as PaddleClas' page does; the last is None for a network that is none of the catalog.
    """
    found: dict[str, int | None] = {
        name: complexity.total(name)
        for name in ("params", "trainable", "macs", "conv_macs", "dense_macs", "activations")
    }
    return found | {"page_flops": complexity.page_flops, "page_params": page_params}


def print_complexity(complexity: Complexity, page_params: int | None) -> None:
    """Print the table and the sums to stdout."""

    console = make_console()
    width = console.width if console.is_terminal else WIDE
    console = make_console(width=width)
    shapes = "; ".join(f"{name} {_shape(s)}" for name, s in complexity.inputs.items())
    console.print(f"[bold]{complexity.model}[/]  {shapes}")
    console.print(_table(complexity, width))
    for name, number, meaning in _sums(complexity, page_params):
        console.print(f"{name:<12}{number:>16,}  {meaning}")
    for name, operations in complexity.uncounted.items():
        many = counted(len(operations), "operation")
        console.print(
            f"{name}: {many} not counted, because the data tells the cost: {', '.join(operations)}"
        )


def _table(complexity: Complexity, width: int):
    from rich.markup import escape
    from rich.table import Table

    whole = complexity.total("macs") or 1
    columns = {
        "layer": lambda layer: escape(layer.name),
        "class": lambda layer: layer.kind,
        "output": lambda layer: _shape(layer.output),
        "params": lambda layer: _number(layer.params),
        "MACs": lambda layer: _number(layer.macs),
        "share": lambda layer: f"{100 * layer.macs / whole:.1f} %" if layer.macs else "",
        "activations": lambda layer: _number(layer.activations),
    }
    if width < NARROW:
        columns = {name: columns[name] for name in ("layer", "output", "MACs", "share")}
    table = Table(box=None, pad_edge=False)
    for name in columns:
        left = name in ("layer", "class", "output")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for layer in complexity.layers:
        table.add_row(*(show(layer) for show in columns.values()))
    return table


def _sums(complexity: Complexity, page_params: int | None):
    """(name, number, in whose convention) of each sum."""
    found = totals(complexity, page_params)
    meanings = {
        "params": "parameters, as Keras counts them",
        "trainable": "of them trained",
        "macs": "multiply-accumulates, as torchvision and timm count them",
        "activations": "numbers that convolutions and products of matrices give, as in timm",
        "page_flops": "2 x convolution + 1 x dense MACs, as PaddleClas' page prints FLOPs",
        "page_params": "kernels and batch-norm scales, as PaddleClas' page prints parameters",
    }
    return [(name, found[name], text) for name, text in meanings.items() if found[name] is not None]


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _shape(shape: tuple[int | None, ...]) -> str:
    return "x".join("?" if side is None else str(side) for side in shape)
