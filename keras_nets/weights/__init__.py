"""Weights for a network: drawn from a seed, or read from a file of another framework."""

from keras_nets.quiet import import_quietly

# Where each name lives. Looked up on first use: importing this package, as every tool's --help
# does, imports neither numpy nor Keras.
_HOMES = {
    "Identity": "identify",
    "Placement": "plan",
    "fetch_imagenet": "download",
    "identify_weights": "identify",
    "load_weights": "load",
    "plan_weights": "load",
    "resolve_weights": "download",
    "save_weights": "save",
    "seed_weights": "seeded",
}
__all__ = sorted(_HOMES)
# The kinds of file that save_weights writes, and how their names end.
ENDINGS = {"keras": ".weights.h5", "safetensors": ".safetensors", "npz": ".npz"}


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_quietly(f"{__name__}.{_HOMES[name]}"), name)
