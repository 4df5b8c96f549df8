"""Which layers stay in 32 bits in formats of fewer, and the scopes that their operations lie in."""

from collections.abc import Iterable

from export.names import choose
from export.networks.layers import layer_scopes
from export.observe.base import Reference
from export.observe.weights import beyond_float16


def layers_to_keep(reference: Reference, asked: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Scopes of the layers `asked` for, as `keep`, and of those that float16 cannot hold, `beyond`.

    These are fields of an Order. Raises ValueError for a name that no layer has.
    """
    into = {norm.into: norm.name for norm in reference.norms if norm.into}
    scopes = layer_scopes([layer.name for layer in reference.layers], reference.norms)
    known = [*scopes, *into]
    named = [choose(name, known, "layer", "the network has") for name in asked]
    large = beyond_float16(reference.layers, reference.float16, reference.norms)
    return {
        "keep": tuple(dict.fromkeys(scopes[into.get(name, name)] for name in named)),
        "beyond": tuple(scopes[name] for name in large if name in scopes),
    }
