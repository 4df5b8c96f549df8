"""Layers that stay in 32 bits in a format of fewer, by the names that others know them by."""

from collections.abc import Iterable

from export.errors import ExportError
from export.formats.base import Order
from export.skeleton.keras_graph import scope

ASKED, TOO_LARGE = "asked for", "its numbers are beyond 65504"


def layer_of(weight: str) -> str:
    """The name of the layer that a weight is of."""
    return weight.rpartition("/")[0]


def kept_layers(order: Order, paths: Iterable[str], why: str) -> dict[str, str]:
    """Why layers stay in 32 bits: `why`, by each of `paths`, scopes, and by the layers in it.

    Layers with weights are there by the names that those have, which a scope may not be.
    """
    layers = sorted({layer_of(weight.name) for weight in order.skeleton.weights})
    found = {}
    for path in paths:
        own = [layer for layer in layers if f"{scope(layer)}/".startswith(f"{path}/")]
        found |= dict.fromkeys([path, *own], why)
    return found


def kept_weights(order: Order) -> dict[str, str]:
    """Why weights stay in 32 bits, by the name of their layer and by its scope.

    Raises ExportError for a layer that was asked for and has no weights.
    """
    asked = kept_layers(order, order.keep, ASKED)
    weighted = {scope(layer_of(weight.name)) for weight in order.skeleton.weights}
    for path in order.keep:
        if not any(f"{layer}/".startswith(f"{path}/") for layer in weighted):
            raise ExportError(
                f"{path} has no weights, so nothing of it could stay in FP32; keep the layers "
                "beside it"
            )
    return kept_layers(order, order.beyond, TOO_LARGE) | asked
