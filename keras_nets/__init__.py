"""Eight classification networks as Keras 3 builders, their published facts and their weights.

Importing this package imports neither Keras nor TensorFlow; building a network does.
"""

from keras_nets.catalog import NETS, Counts, Net, find_net
from keras_nets.weights import seed_weights

__all__ = ["NETS", "Counts", "Net", "find_net", "seed_weights"]
