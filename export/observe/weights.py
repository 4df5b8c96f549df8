"""Facts of the weights of a Keras model: their hash, how many there are, what float16 takes."""

import hashlib
from collections.abc import Iterable

import numpy as np

from export.observe.base import Float16Loss, Layer, Totals
from export.observe.layers import peak
from export.skeleton.fold import Norm, is_float, values_of
from export.skeleton.pour import chunks
from export.skeleton.stores import LARGEST_HALF

SMALLEST_NORMAL = 2.0**-14  # of float16; what is smaller loses precision
SMALLEST = 2.0**-25  # rounds to zero in float16
AT_ONCE = 1 << 18  # values, which stay in a cache of the processor


def canonical_sha256(model) -> str:
    """Return the sha256 of all weights in order: names, shapes, little-endian float32 values."""
    sha = hashlib.sha256()
    for variable in model.weights:
        if is_float(variable):
            sha.update(f"{variable.path}{tuple(variable.shape)}".encode())
            for chunk in chunks(values_of(variable)):
                sha.update(chunk)
    return sha.hexdigest()


def totals(model) -> Totals:
    """Count the parameters of a model."""

    def count(variables):
        return sum(int(np.prod(v.shape)) for v in variables if is_float(v))

    biases = [v for v in model.trainable_variables if v.path.endswith("/bias")]
    trainable = count(model.trainable_variables)
    return Totals(trainable, count(model.weights), trainable - count(biases))


def float16_loss(name: str, values: np.ndarray) -> Float16Loss:
    """Return what a weight loses when it is rounded to float16."""
    flat, largest, subnormal, zero = values.reshape(-1), 0.0, 0, 0
    for start in range(0, flat.size, AT_ONCE):
        size = np.abs(flat[start : start + AT_ONCE])
        nothing = np.count_nonzero(size == 0)
        largest = max(largest, peak(size))
        zero += int(np.count_nonzero(size < SMALLEST)) - nothing
        subnormal += int(np.count_nonzero(size < SMALLEST_NORMAL)) - nothing
    return Float16Loss(name, largest, subnormal / flat.size, zero / flat.size, values=flat.size)


def beyond_float16(
    layers: Iterable[Layer], losses: Iterable[Float16Loss], folds: Iterable[Norm]
) -> list[str]:
    """Names of the layers whose outputs or weights are beyond float16; those folded into last."""
    into = {norm.into: norm.name for norm in folds if norm.into}
    large = [layer.name for layer in layers if layer.name not in into and _is_large(layer)]
    large += [loss.name.rpartition("/")[0] for loss in losses if _is_large(loss)]
    return list(dict.fromkeys(into.get(name, name) for name in large))


def _is_large(one: Layer | Float16Loss) -> bool:
    return not one.largest <= LARGEST_HALF  # nor is what is not a number
