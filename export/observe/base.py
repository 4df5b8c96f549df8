"""What is known of a Keras model once it was observed: the types, for all who compare with it."""

import math
from collections.abc import Container, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace

import numpy as np

from export.contract import Batch, Contract
from export.endings import undone
from export.formats import Format
from export.formats.base import Found
from export.observe.noise import Noise
from export.observe.probes import COUNT
from export.skeleton.fold import Norm


@dataclass(frozen=True)
class Layer:
    """The largest absolute activation of one layer over the probes, and all for the first probe."""

    name: str
    largest: float
    first: np.ndarray | None = field(default=None, repr=False, compare=False)  # None: runs twice


@dataclass(frozen=True)
class Float16Loss:
    """How a weight fares in float16: shares of its values that lose precision or become zero."""

    name: str
    largest: float
    subnormal: float
    zero: float
    _: KW_ONLY
    values: int  # how many it has


@dataclass(frozen=True)
class Totals:
    """Parameters of the Keras model as it stands."""

    trainable: int
    total: int
    page: int  # kernels and batch-norm scales, as PaddleClas' table counts


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The model's outputs on the probes, and facts that checks compare with."""

    name: str
    contract: Contract
    totals: Totals
    sha256: str  # canonical: names in order, shapes, little-endian float32
    weights: tuple[Found, ...]  # after folding
    stored: Mapping[str, tuple[Found, ...]] = field(default_factory=dict)  # see `weights_in`
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)  # of one axis
    float16: tuple[Float16Loss, ...]  # of the same weights
    inputs: Batch
    outputs: Batch
    probes: int = COUNT  # how many of the inputs, the first, are seeded
    resized: Batch = field(default_factory=dict)  # probes of other lengths along free axes, if any
    resized_outputs: Batch = field(default_factory=dict)
    endings: Mapping[str, str] = field(default_factory=dict)  # of outputs: see export/endings.py
    layers: tuple[Layer, ...]  # empty where the model is no functional graph
    norms: tuple[Norm, ...] = ()
    noise: Noise | None = None  # None where it could not be measured
    constants: frozenset[str] = frozenset()  # digests of float tensors in the graph, no weights
    batch_norms: int = 0  # that are left in the traced network
    graph: bytes = field(default=b"", repr=False)  # the skeleton: the network without its weights
    warnings: tuple[str, ...] = ()  # of the model itself, such as noise that could not be measured

    def warned(self, warning: str) -> "Reference":
        """Return it with a further warning, unless that is empty."""
        return replace(self, warnings=(warning, *self.warnings)) if warning else self

    def compared(self, outputs: Batch, name: str, *, coarse: bool = False) -> np.ndarray:
        """Return one of `outputs`, the model's own or an artifact's, as it is compared.

        That is before a final softmax or sigmoid; `coarse` as in export/endings.py.
        """
        return undone(outputs[name], self.endings.get(name, ""), coarse=coarse)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights in float32."""
        return 4 * sum(math.prod(weight.shape) for weight in self.weights)

    @property
    def layer_bytes(self) -> int:
        """Bytes of what all layers give for the first probe."""
        return sum(layer.first.nbytes for layer in self.layers if layer.first is not None)

    def weights_in(self, format: Format, kept: Container[str] = ()) -> tuple[Found, ...]:
        """Return the weights as a right artifact of `format` has them, layers `kept` unchanged."""
        stored = self.stored.get(format.name, self.weights)
        pairs = zip(self.weights, stored, strict=True)
        return tuple(own if own.layer in kept else other for own, other in pairs)
