"""Fold batch-norm into the layers before it, in numpy, so that no converter computes with a weight.

    gamma * (x - mean) / sqrt(variance + epsilon) + beta  =  x * scale + shift

A batch-norm that follows a linear convolution or dense layer, alone, disappears into its kernel and
bias. Any other becomes the weights `scale` and `shift`; over an image, `scale` has the shape of a
depthwise 1x1 kernel, which converters keep in their own layout where they would transpose around a
product.
"""

from collections import Counter
from collections.abc import Callable, Iterator
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
    gone: frozenset  # of Keras layers


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
    pairs = _foldable(model)
    gone = frozenset(pairs.values())
    weights: dict[str, Weight] = {}
    for layer in _layers(model):
        if layer in gone:
            continue
        if layer in pairs:
            made = _folded_pair(layer, pairs[layer])
        elif kind(layer) == "BatchNormalization":
            made = _scale_and_shift(layer)
        else:
            made = [_plain(variable) for variable in layer.weights if is_float(variable)]
        for weight in made:
            other = weights.setdefault(weight.name, weight)
            shared = weight.variable is not None and weight.variable is other.variable
            if other is not weight and not shared:
                raise ValueError(f"two weights are called {weight.name!r}; name every layer once")
    return Folded(weights, gone)


def norms(model) -> list[Norm]:
    """Every batch-norm of `model` that a fold of it takes in."""
    found, pairs = [], {norm: layer for layer, norm in _foldable(model).items()}
    for norm in _layers(model):
        if kind(norm) != "BatchNormalization":
            continue
        kernel, bias, into = f"{norm.path}/scale", f"{norm.path}/shift", ""
        if norm in pairs:
            kernel, into = pairs[norm].kernel.path, pairs[norm].name
            bias = kernel.removesuffix("kernel") + "bias"
        variance = _values(norm.moving_variance)
        beta = _values(norm.beta) if norm.center else np.zeros_like(variance)
        found.append(Norm(norm.name, into, kernel, bias, norm.epsilon, variance, beta))
    return found


def kind(operation) -> str:
    """The name of an operation's class where it is one of Keras' own; empty for anybody else's."""
    own = type(operation)
    return own.__name__ if own.__module__.startswith("keras.") else ""


def functional(operation):
    """The functional model that `operation` is, or that a Sequential runs; None for any other.

    A class of the user's that calls its layers in a way of its own is none.
    """
    call = getattr(type(operation), "call", None)
    if not getattr(call, "__module__", "").startswith("keras."):
        return None
    inner = getattr(operation, "_functional", operation)
    return inner if hasattr(inner, "_run_through_graph") else None


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
    own = [layer for graph in _graphs(model) for layer in graph.layers] or [model]
    for layer in dict.fromkeys(own):
        if layer.weights and functional(layer) is None:
            yield layer


def _foldable(model) -> dict:
    """Layers, each with the batch-norm that folds into it."""
    graphs = list(_graphs(model))
    nodes = [node for graph in graphs for at in graph._nodes_by_depth.values() for node in at]
    calls = Counter(node.operation for node in nodes)
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(output) for graph in graphs for output in graph.outputs)
    found = {}
    for norm, count in calls.items():
        if kind(norm) != "BatchNormalization" or count != 1:
            continue
        (source,) = next(node for node in nodes if node.operation is norm).input_tensors
        layer = source._keras_history.operation
        if (
            kind(layer) in KERNEL_LAYERS
            and has_its_kernel(layer)
            and getattr(layer.activation, "__name__", "") == "linear"  # it may be a layer
            and norm.axis in (-1, len(source.shape) - 1)
            and calls[layer] == 1
            and readers[id(source)] == 1
        ):
            found[layer] = norm
    return found


def has_its_kernel(layer) -> bool:
    """False where a layer makes its kernel of other weights: quantised ones, or LoRA's."""
    return hasattr(layer.kernel, "path") and is_float(layer.kernel)


def _graphs(model) -> Iterator:
    """The functional model that `model` is, if it is one, and those within it, each once."""
    seen, waiting = set(), [functional(model)]
    while waiting:
        graph = waiting.pop(0)
        if graph is not None and graph not in seen:
            seen.add(graph)
            yield graph
            waiting += map(functional, graph.layers)


def _folded_pair(layer, norm):
    def kernel():
        scale, _ = scale_and_shift(norm)
        if kind(layer) == "DepthwiseConv2D":
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
