"""The converter's own way, all weights in its graph, for networks that defeat the skeleton."""

from collections.abc import Callable

from export.errors import PourError
from export.formats.base import Written

IMPORTS = 700_000_000  # bytes that TensorFlow takes before it has done anything


def pour_or_stock(
    pour: Callable[[], str], stock: Callable[[], str], *, weight_bytes: int, factor: int
) -> Written:
    """Run `pour`; where a converter lost a stand-in, run `stock` if its memory fits, and say so.

    Both return a note on how the artifact was made, or nothing. `factor` is the peak memory of
    `stock` in multiples of the weights' bytes.
    """
    try:
        return Written(pour() or "")
    except PourError as error:
        import psutil

        wanted, free = IMPORTS + factor * weight_bytes, psutil.virtual_memory().available
        if wanted > free:
            raise PourError(
                f"{error}; the converter's own way takes about {wanted / 1e9:.0f} GB and "
                f"{free / 1e9:.0f} GB are free: use a larger machine or another format"
            ) from error
        return Written(stock() or "", stock=str(error))
