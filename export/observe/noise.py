"""How far a network's logits move for no fault of anybody's, as export/networks/noise.py finds."""

from dataclasses import KW_ONLY, dataclass, field

from export.contract import Batch
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
    outputs: tuple[LayerNoise, ...] = ()  # of which the three above are the largest
    # What the skeleton gives, on as many of the inputs as were measured.
    traced: Batch = field(default_factory=dict, repr=False, compare=False)

    def at(self, output: str) -> "LayerNoise | Noise":
        """Return the noise of the output of that name, where it was measured by itself."""
        return next((one for one in self.outputs if one.name == output), self)
