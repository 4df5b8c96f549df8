"""Give what a builder returns weights of a seed, none of them zero or one by default."""

from collections.abc import Callable
from functools import wraps

from keras_nets.weights.seeded import seed_weights


def filled(build: Callable) -> Callable:
    """Return `build`, whose model then has weights of seed 1 and the name of the function."""

    @wraps(build)
    def built(**arguments):
        model = seed_weights(build(**arguments), seed=1)
        model.name = build.__name__
        return model

    return built
