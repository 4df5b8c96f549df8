"""Plan which tensor of a file becomes which weight, and check that before a value is read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_nets.catalog import Net
from keras_nets.errors import WeightsError
from keras_nets.weights.identify import Identity
from keras_nets.weights.names import BY_ORDER, HALVED, OURS
from keras_nets.weights.tensor import Tensor, WeightsFile

NORM_EPSILON = 1e-5  # of our batch-norm layers
DARKNET_EPSILON = 1e-6  # darknet divides by sqrt(variance) + this
SEEDED = "seeded"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One weight: the tensor it comes from, and what is done to it.

    `source` and `source_shape` are None where the file has no classifier and it is seeded.
    """

    source: str | None
    target: str  # layer/variable
    transform: str
    source_shape: tuple[int, ...] | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """A weight of a model. `grid` is the shape that is flattened before this kernel, or None."""

    name: str  # layer/variable
    shape: tuple[int, ...]
    grid: tuple[int, int, int] | None = None  # height, width, channels


@dataclass(frozen=True)
class Layout:
    """The order in which a file holds the values of one weight.

    `view` returns our array in the file's order, without a copy; `shape` is the tensor's.
    """

    label: str
    view: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A placement that can be carried out while its file is open."""

    placement: Placement
    tensor: Tensor
    layout: Layout
    scale: float = 1.0
    variance: Tensor | None = None  # for the gamma of darknet

    def fill(self, out: np.ndarray) -> None:
        """Put the values into `out`, float32 of the target's shape, a block at a time."""
        view = self.layout.view(out)
        for rows, block in self.tensor.blocks(view.shape):
            view[rows] = block if self.scale == 1.0 else block * np.float32(self.scale)
        if self.placement.target.endswith("/moving_variance") and (out < 0).any():
            raise WeightsError(
                f"{self.tensor.path}: tensor {self.tensor.name!r} holds variances below zero"
            )
        if self.variance is not None:
            out *= _darknet_correction(self.variance.read())


def plan_steps(
    net: Net,
    file: WeightsFile,
    identity: Identity,
    names: dict[str, str],
    targets: list[Target],
) -> list[Step]:
    """Return a step for each target that the file has a tensor for.

    Raises WeightsError for the first tensor whose shape or type does not fit.
    """
    halved = HALVED.get(net.family, ()) if identity.naming == "paddle" else ()
    steps = []
    for target in targets:
        if target.name not in names:
            continue
        layer, variable = target.name.split("/")
        tensor = file.tensors[names[target.name]]
        layout = _layout(identity.naming, variable, target)
        if tensor.shape != layout.shape:
            raise WeightsError(
                f"{file.path}: tensor {tensor.name!r} has shape {tensor.shape} where {net.name}"
                f" takes {layout.shape}; check the network, its classes and its image size"
            )
        label, scale, variance = layout.label, 1.0, None
        if layer in halved and variable == "kernel":
            scale = 0.5
            label += ", halved for the dropout before it"
        if identity.naming == "darknet" and variable == "gamma":
            variance = file.tensors[names[f"{layer}/moving_variance"]]
            label += ", corrected for darknet's epsilon"
        placement = Placement(
            source=tensor.name,
            target=target.name,
            transform=label,
            source_shape=tensor.shape,
            shape=target.shape,
        )
        steps.append(
            Step(placement=placement, tensor=tensor, layout=layout, scale=scale, variance=variance)
        )
    return steps


def _layout(naming: str, variable: str, target: Target) -> Layout:
    """Return how `naming` orders the values of a target."""
    label, view = "as it is", _same
    if variable == "kernel" and naming not in (OURS, BY_ORDER):
        if len(target.shape) == 4:
            label, view = "OIHW to HWIO", _from_oihw
        elif naming == "darknet":
            label, view = "OI11 to IO", _from_oi11
        elif target.grid:
            label, view = _flattened(naming, *target.grid, target.shape[1])
            inputs, outputs = target.shape
            shape = (inputs, outputs) if naming == "paddle" else (outputs, inputs)
            return Layout(label, view, shape)
        elif naming == "torchvision":
            label, view = "OI to IO", np.transpose
    return Layout(label, view, view(np.broadcast_to(np.float32(0), target.shape)).shape)


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _from_oihw(array: np.ndarray) -> np.ndarray:
    return array.transpose(3, 2, 0, 1)


def _from_oi11(array: np.ndarray) -> np.ndarray:
    return array.T[:, :, None, None]


def _flattened(naming: str, height: int, width: int, channels: int, units: int):
    """(label, view) of the first dense kernel: its rows are ours in H,W,C order, theirs C,H,W."""
    if naming == "paddle":
        label, order = "rows C,H,W to H,W,C", (2, 0, 1, 3)
    else:
        label, order = "OI to IO, rows C,H,W to H,W,C", (3, 2, 0, 1)
    return label, lambda array: array.reshape(height, width, channels, units).transpose(order)


def _darknet_correction(variance: np.ndarray) -> np.ndarray:
    """Return the factor that makes (x - mean) / sqrt(variance + ours) equal to darknet's."""
    exact = np.maximum(variance.astype(np.float64), 0.0)  # one below zero is refused in its place
    return np.sqrt(exact + NORM_EPSILON) / (np.sqrt(exact) + DARKNET_EPSILON)
