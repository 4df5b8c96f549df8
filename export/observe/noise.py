"""How far a network's logits move for no fault of anybody's, as export/networks/noise.py finds."""

from dataclasses import KW_ONLY, dataclass, field

import numpy as np

from export.errors import ExportError

KINDS = ("fp32", "fp16", "int8")


class NoiseError(ExportError):
    """TensorFlow does not run a network in which sums are shuffled or numbers are rounded."""


@dataclass(frozen=True)
class LayerNoise:
    """How far the output of one layer moves, in that output's standard deviations, as in Noise."""

    name: str
    fp32: float
    fp16: float
    int8: float


@dataclass(frozen=True)
class Noise:
    """How far the logits move for no fault of anybody's, in their standard deviations.

    `fp32` when sums are made in another order, the others when numbers are rounded; NaN where it
    was not measured.
    """

    fp32: float
    fp16: float
    int8: float
    layers: tuple[LayerNoise, ...] = ()
    _: KW_ONLY
    logits: np.ndarray | None = field(default=None, repr=False, compare=False)  # of the skeleton
