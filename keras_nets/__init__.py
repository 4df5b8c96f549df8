"""Eight classification networks as Keras 3 builders, their published facts and their weights.

Importing this package imports neither Keras nor TensorFlow, nor numpy; building a network does.
"""

from keras_nets import weights
from keras_nets.catalog import NETS, Counts, Net, find_net
from keras_nets.errors import WeightsError

__all__ = ["NETS", "Counts", "Net", "WeightsError", "find_net", *weights.__all__]


def __getattr__(name: str):
    if name not in weights.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(weights, name)
