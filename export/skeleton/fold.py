"""Fold batch-norm into the layers before it, in numpy, so that no converter computes with a weight.

    gamma * (x - mean) / sqrt(variance + epsilon) + beta  =  x * scale + shift

A batch-norm that follows a linear convolution or dense layer, alone, disappears into its kernel and
bias. Any other becomes the weights `scale` and `shift`; over an image, `scale` has the shape of a
depthwise 1x1 kernel, which converters keep in their own layout where they would transpose around a
product.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from export.skeleton.keras_graph import (
    all_layers,
    functional,
    graphs,
    input_rank,
    kind,
    layer_names,
    nodes,
    source,
    unique,
)

KERNEL_LAYERS = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "Dense")


@dataclass(frozen=True)
class Weight:
    """A weight of the folded network, float32; `read` computes its values when called."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)
    variable: object = field(default=None, repr=False, compare=False)  # Keras', where it is one

    @property
    def bytes(self) -> int:
        return 4 * int(np.prod(self.shape))


@dataclass(frozen=True, kw_only=True)
class Folded:
    """The weights of a network after folding, and the batch-norm layers that are gone.

    `made` lists, for each layer whose weights changed, their new names by kind: kernel and bias of
    a layer that a batch-norm was folded into, scale and shift of a batch-norm that did not fold.
    """

    gone: frozenset  # of Keras layers
    weights: dict[str, Weight] = field(default_factory=dict)
    made: dict[object, dict[str, str]] = field(default_factory=dict)  # by Keras layer
    names: dict[int, str] = field(default_factory=dict)  # of the others, by a variable's id
    spare: set[str] = field(
        default_factory=set
    )  # made for batch-norms within other layers, which may not run these

    def name(self, variable) -> str:
        """Return the name of the weight that is a Keras variable."""
        return self.names[id(variable)]


@dataclass(frozen=True, kw_only=True)
class Norm:
    """A batch-norm, and the two weights that it became or was folded into."""

    name: str
    into: str  # the layer that it folds into, or empty
    kernel: str
    bias: str
    epsilon: float
    variance: np.ndarray  # (channels,)
    beta: np.ndarray  # (channels,)


def fold(model) -> Folded:
    """List the weights that `model` needs at inference, with batch-norm folded away.

    Names are Keras paths such as `conv1_1/kernel`; where layers have the same name, the path begins
    with that of the model within the model. Nothing is computed or copied until `read`.
    """
    pairs = _foldable(model)
    folded = Folded(gone=frozenset(pairs.values()))
    for layer, name in _owners(model).items():
        if layer in folded.gone:
            continue
        if layer in pairs:
            _add_made(folded, layer, name, _folded_pair(layer, pairs[layer]))
        elif kind(layer) == "BatchNormalization":
            _add_made(folded, layer, name, _scale_and_shift(layer))
        else:
            _add_plain(folded, layer, name)
            _add_within(folded, layer)
    return folded


def norms(model) -> list[Norm]:
    """Return every batch-norm of `model`, and the weights that it becomes part of."""
    folded, names = fold(model), layer_names(model)
    pairs = {norm: layer for layer, norm in _foldable(model).items()}
    found = []
    for norm in _owners(model):
        if kind(norm) != "BatchNormalization":
            continue
        owner = pairs.get(norm, norm)
        kernel, bias = folded.made[owner].values()
        into = names[owner] if norm in pairs else ""
        variance = values_of(norm.moving_variance)
        beta = values_of(norm.beta) if norm.center else np.zeros_like(variance)
        name = names.get(norm, norm.name)
        found.append(
            Norm(
                name=name,
                into=into,
                kernel=kernel,
                bias=bias,
                epsilon=norm.epsilon,
                variance=variance,
                beta=beta,
            )
        )
    return found


def _add_made(folded: Folded, layer, name: str, made: dict[str, Weight]) -> None:
    folded.made[layer] = {}
    for what, weight in made.items():
        path = unique(_path(layer, name, weight.name), folded.weights)
        folded.made[layer][what] = path
        folded.weights[path] = replace(weight, name=path)


def _add_plain(folded: Folded, layer, name: str) -> None:
    for variable in layer.weights:
        if is_float(variable) and id(variable) not in folded.names:  # or layers share it
            path = unique(_path(layer, name, variable.path), folded.weights)
            folded.names[id(variable)] = path
            folded.weights[path] = _plain(path, variable)


def _add_within(folded: Folded, layer) -> None:
    """Add what the batch-norms within a layer of layers become, should it run them."""
    for norm in all_layers(layer):
        if norm is not layer and kind(norm) == "BatchNormalization" and norm.built:
            _add_made(folded, norm, norm.name, _scale_and_shift(norm))
            folded.spare.update(folded.made[norm].values())


def _path(layer, name: str, path: str) -> str:
    """Keras' `path` of a variable, with the layer's unique `name` in place of its own."""
    if name == layer.name:
        return path
    _, found, rest = f"/{path}".partition(f"/{layer.name}/")
    return f"{name}/{rest if found else path}"


def is_float(variable) -> bool:
    """Return whether `variable` is a weight, not the state of a seed generator or a counter."""
    return "float" in str(variable.dtype)


def scale_and_shift(norm) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and shift of a batch-norm layer at inference, each float64 (channels,)."""
    mean, variance = (values_of(v, np.float64) for v in (norm.moving_mean, norm.moving_variance))
    gamma = values_of(norm.gamma, np.float64) if norm.scale else 1.0
    beta = values_of(norm.beta, np.float64) if norm.center else 0.0
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def is_plain(layer) -> bool:
    """Return whether `layer` applies one kernel and one bias, in a way that `forward` lowers.

    A batch-norm folds only into such a layer, because no other would apply the new bias.
    """
    if kind(layer) not in KERNEL_LAYERS or not has_its_kernel(layer):
        return False
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return last and isinstance(getattr(layer, "padding", ""), str)  # Keras also takes numbers


def has_its_kernel(layer) -> bool:
    """Return False if a layer computes its kernel from other weights: quantised ones, or LoRA's."""
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return False
    return hasattr(layer.kernel, "path") and is_float(layer.kernel)


def _owners(model) -> dict:
    """Return every layer that owns weights, also in nested models, with a unique name for each."""
    names = layer_names(model)
    own = [layer for _, graph in graphs(model) for layer in graph.layers] or [model]
    return {
        layer: names.get(layer, layer.name)
        for layer in dict.fromkeys(own)
        if layer.weights and functional(layer) is None
    }


def _foldable(model) -> dict:
    """Return the layers that a batch-norm folds into, each with that batch-norm."""
    inside = [graph for _, graph in graphs(model)]
    called = [node for graph in inside for node in nodes(graph)]
    calls = Counter(node.operation for node in called)
    readers = Counter(id(tensor) for node in called for tensor in node.input_tensors)
    readers.update(id(output) for graph in inside for output in graph.outputs)
    found = {}
    for norm, count in calls.items():
        if kind(norm) != "BatchNormalization" or count != 1:
            continue
        (given,) = next(node for node in called if node.operation is norm).input_tensors
        layer = source(given)
        if (
            is_plain(layer)
            and getattr(layer.activation, "__name__", "") == "linear"  # it may be a layer
            and norm.axis in (-1, len(given.shape) - 1)
            and calls[layer] == 1
            and readers[id(given)] == 1
        ):
            found[layer] = norm
    return found


def _folded_pair(layer, norm):
    def kernel():
        scale, _ = scale_and_shift(norm)
        if kind(layer).startswith("Depthwise"):
            scale = scale.reshape(layer.kernel.shape[-2:])
        return (values_of(layer.kernel) * scale).astype(np.float32)

    def bias():
        scale, shift = scale_and_shift(norm)
        own = values_of(layer.bias, np.float64) * scale if layer.use_bias else 0.0
        return (own + shift).astype(np.float32)

    kernel_path = layer.kernel.path
    bias_path = kernel_path.removesuffix("kernel") + "bias"
    shape, channels = tuple(layer.kernel.shape), tuple(norm.moving_mean.shape)
    return {
        "kernel": Weight(kernel_path, shape, kernel),
        "bias": Weight(bias_path, channels, bias),
    }


def _scale_and_shift(norm):
    channels, path = norm.moving_mean.shape[0], norm.path
    images = input_rank(norm) == 4 and norm.axis in (-1, 3)
    shape = (1, 1, channels, 1) if images else (channels,)

    def scale():
        return scale_and_shift(norm)[0].astype(np.float32).reshape(shape)

    def shift():
        return scale_and_shift(norm)[1].astype(np.float32)

    return {
        "scale": Weight(f"{path}/scale", shape, scale),
        "shift": Weight(f"{path}/shift", (channels,), shift),
    }


def _plain(name: str, variable):
    return Weight(name, tuple(variable.shape), lambda: values_of(variable), variable)


def values_of(variable, dtype=np.float32) -> np.ndarray:
    """Return the values of Keras' `variable`, in its own memory where it has that dtype."""
    value = variable.value
    tensor = value.read_value() if hasattr(value, "read_value") else value
    return np.asarray(memoryview(tensor) if tensor.dtype.name == "float32" else tensor, dtype)
