"""Layers whose weights stay in 32 bits in a format that rounds weights and nothing else."""

from export.errors import ExportError
from export.formats.base import Order
from export.skeleton.keras_graph import scope

ASKED, TOO_LARGE = "asked for", "its numbers are beyond 65504"


def layer_of(weight: str) -> str:
    """The name of the layer that a weight is of."""
    return weight.rpartition("/")[0]


def kept_weights(order: Order) -> dict[str, str]:
    """Why weights stay in 32 bits, by the name of their layer and by its scope.

    Raises ExportError for a layer that was asked for and has no weights.
    """
    layers = {layer_of(weight.name) for weight in order.skeleton.weights}
    reasons = {}
    for paths, why in ((order.beyond, TOO_LARGE), (order.keep, ASKED)):
        for path in paths:
            own = [layer for layer in layers if f"{scope(layer)}/".startswith(f"{path}/")]
            if not own and why == ASKED:
                raise ExportError(
                    f"{path} has no weights, so nothing of it could stay in FP32; keep the layers "
                    "beside it"
                )
            reasons |= dict.fromkeys([path, *sorted(own)], why)
    return reasons
