"""Fold batch-norm into the layers before it, in numpy, so that no converter computes with a weight.

    gamma * (x - mean) / sqrt(variance + epsilon) + beta  =  x * scale + shift

A batch-norm that follows a linear convolution or dense layer, alone, disappears into its kernel and
bias. Any other becomes the weights `scale` and `shift`; over an image, `scale` has the shape of a
depthwise 1x1 kernel, which converters keep in their own layout where they would transpose around a
product.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

KERNEL_LAYERS = ("Conv2D", "DepthwiseConv2D", "Dense")


@dataclass(frozen=True)
class Weight:
    """A weight of the folded network, float32; `read` makes its values when they are needed."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)
    variable: object = field(default=None, repr=False, compare=False)  # Keras', where it is one

    @property
    def bytes(self) -> int:
        return 4 * int(np.prod(self.shape))


@dataclass(frozen=True)
class Folded:
    """The weights of a network after folding, and the batch-norm layers that are gone."""

    weights: dict[str, Weight]
    gone: frozenset[str]


@dataclass(frozen=True)
class Norm:
    """A batch-norm, and the two weights that it became or went into."""

    name: str
    into: str  # the layer that it folds into, or empty
    kernel: str
    bias: str
    epsilon: float
    variance: np.ndarray  # (channels,)
    beta: np.ndarray  # (channels,)


def fold(model) -> Folded:
    """List the weights that `model` needs at inference, with batch-norm folded away.

    Names are Keras paths such as `conv1_1/kernel`. Nothing is computed or copied until `read`.
    """
    pairs = dict(_foldable(model))
    gone = frozenset(norm.name for norm in pairs.values())
    weights: dict[str, Weight] = {}
    for layer in _layers(model):
        if layer.name in gone:
            continue
        if layer.name in pairs:
            made = _folded_pair(layer, pairs[layer.name])
        elif type(layer).__name__ == "BatchNormalization":
            made = _scale_and_shift(layer)
        else:
            made = [_plain(variable) for variable in layer.weights if is_float(variable)]
        for weight in made:
            if weight.name in weights:
                raise ValueError(f"two weights are called {weight.name!r}; name every layer once")
            weights[weight.name] = weight
    return Folded(weights, gone)


def norms(model) -> list[Norm]:
    """Every batch-norm of `model` that a fold of it takes in."""
    found, pairs = [], {norm.name: layer for layer, norm in _foldable(model)}
    layers = {layer.name: layer for layer in _layers(model)}
    for norm in layers.values():
        if type(norm).__name__ != "BatchNormalization":
            continue
        kernel, bias = f"{norm.path}/scale", f"{norm.path}/shift"
        if norm.name in pairs:
            kernel = layers[pairs[norm.name]].kernel.path
            bias = kernel.removesuffix("kernel") + "bias"
        variance = _values(norm.moving_variance)
        beta = _values(norm.beta) if norm.center else np.zeros_like(variance)
        into = pairs.get(norm.name, "")
        found.append(Norm(norm.name, into, kernel, bias, norm.epsilon, variance, beta))
    return found


def is_float(variable) -> bool:
    """Tell weights from the state of seed generators and counters."""
    return "float" in str(variable.dtype)


def scale_and_shift(norm) -> tuple[np.ndarray, np.ndarray]:
    """What the batch-norm layer `norm` does to each channel at inference, float64 (channels,)."""
    mean, variance = (_values(v, np.float64) for v in (norm.moving_mean, norm.moving_variance))
    gamma = _values(norm.gamma, np.float64) if norm.scale else 1.0
    beta = _values(norm.beta, np.float64) if norm.center else 0.0
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _layers(model):
    """Every layer that owns weights itself, those of nested functional models included."""
    for layer in model.layers if _is_functional(model) else [model]:
        if _is_functional(layer):
            yield from _layers(layer)
        elif layer.weights:
            yield layer


def _is_functional(layer) -> bool:
    return hasattr(layer, "_run_through_graph")


def _foldable(model):
    """Pairs of (name of a layer, the batch-norm that folds into it)."""
    outputs = list(_outputs(model))
    for norm in _layers(model):
        if type(norm).__name__ != "BatchNormalization" or len(norm._inbound_nodes) != 1:
            continue
        (source,) = norm._inbound_nodes[0].input_tensors
        layer = source._keras_history.operation
        if (
            type(layer).__name__ in KERNEL_LAYERS
            and getattr(layer.activation, "__name__", "") == "linear"  # it may be a layer
            and norm.axis in (-1, len(source.shape) - 1)
            and len(layer._inbound_nodes) == 1
            and len(layer._outbound_nodes) == 1
            and not any(source is output for output in outputs)
        ):
            yield layer.name, norm


def _outputs(model):
    """Every tensor that leaves `model`, or a functional model within it."""
    if _is_functional(model):
        yield from model.outputs
        for layer in model.layers:
            yield from _outputs(layer)


def _folded_pair(layer, norm):
    def kernel():
        scale, _ = scale_and_shift(norm)
        if type(layer).__name__ == "DepthwiseConv2D":
            scale = scale.reshape(layer.kernel.shape[-2:])
        return (_values(layer.kernel) * scale).astype(np.float32)

    def bias():
        scale, shift = scale_and_shift(norm)
        own = _values(layer.bias, np.float64) * scale if layer.use_bias else 0.0
        return (own + shift).astype(np.float32)

    kernel_path = layer.kernel.path
    bias_path = kernel_path.removesuffix("kernel") + "bias"
    shape, channels = tuple(layer.kernel.shape), tuple(norm.moving_mean.shape)
    return [Weight(kernel_path, shape, kernel), Weight(bias_path, channels, bias)]


def _scale_and_shift(norm):
    channels, path = norm.moving_mean.shape[0], norm.path
    rank = len(norm._inbound_nodes[0].input_tensors[0].shape)
    images = rank == 4 and norm.axis in (-1, 3)
    shape = (1, 1, channels, 1) if images else (channels,)

    def scale():
        return scale_and_shift(norm)[0].astype(np.float32).reshape(shape)

    def shift():
        return scale_and_shift(norm)[1].astype(np.float32)

    return [Weight(f"{path}/scale", shape, scale), Weight(f"{path}/shift", (channels,), shift)]


def _plain(variable):
    return Weight(variable.path, tuple(variable.shape), lambda: _values(variable), variable)


def _values(variable, dtype=np.float32) -> np.ndarray:
    return np.asarray(variable.value, dtype)
