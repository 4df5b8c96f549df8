"""Table A: what each network is, exact counts beside what others print."""

from dataclasses import dataclass, fields

from export.complexity import Complexity


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """A network in one flavour: the columns of models.csv."""

    model: str
    flavour: str
    image: str  # height x width
    param_count: int  # trained or not, as Keras counts
    trainable: int
    page_params_m: float | None  # M, as the page prints them; the first flavour only
    gmacs: float  # G multiply-accumulates of convolutions and products of matrices
    mmacts: float  # M numbers that these give
    page_flops_g: float | None  # G, as the page prints them; the first flavour only
    top1_published: float | None  # fractions of 1
    top5_published: float | None
    source: str  # of the published accuracy
    top1_measured: float | None = None
    pictures: int | None = None  # that top1_measured was measured on
    margin: float | None = None  # half the width of its 95 % interval
    convention_params_m: float = 0.0  # M, exact, counted as the page does
    convention_flops_g: float = 0.0  # G, 2 x convolution + 1 x dense MACs, exact
    torchvision_gmacs: float | None = None  # as its metadata states


CSV = tuple(field.name for field in fields(NetworkRow))[:14]  # what design.md promises, in order


def counts_of(complexity: Complexity) -> dict:
    """The columns that come from counting."""
    return {
        "image": "x".join(map(str, next(iter(complexity.inputs.values()))[:2])),
        "param_count": complexity.total("params"),
        "trainable": complexity.total("trainable"),
        "gmacs": complexity.total("macs") / 1e9,
        "mmacts": complexity.total("activations") / 1e6,
        "convention_flops_g": complexity.page_flops / 1e9,
    }


HEADER = (
    "network", "flavour", "image", "parameters", "page, M", "GMACs", "torchvision", "M activations",
    "page FLOPs, G", "2 conv + dense, G", "top-1", "top-5", "measured top-1",
)  # fmt: skip
ALIGN = "lll" + "r" * 10


def cells(row: NetworkRow) -> list[str]:
    """The row as people read it; what the page says of the counted convention stands beside it."""
    return [
        row.model,
        row.flavour,
        row.image,
        f"{row.param_count:,}",
        "" if row.page_params_m is None else f"{row.page_params_m:.2f}",
        f"{row.gmacs:.3f}",
        "" if row.torchvision_gmacs is None else f"{row.torchvision_gmacs:.3f}",
        f"{row.mmacts:.2f}",
        "" if row.page_flops_g is None else f"{row.page_flops_g:.2f}",
        f"{row.convention_flops_g:.3f}",
        _share(row.top1_published),
        _share(row.top5_published),
        _measured(row),
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _measured(row: NetworkRow) -> str:
    if row.top1_measured is None:
        return "not measured here"
    return f"{row.top1_measured:.3f} ± {row.margin:.3f} of {row.pictures:,}"
