"""Whether a network gives what another does, but for the order in which sums are made."""

from functools import cached_property

import keras
import numpy as np

from export.checks.bounds import bound
from export.contract import Batch, joined, part
from export.endings import undone
from export.observe.layers import as_tensor
from export.observe.noise import Noise, NoiseError
from export.observe.probes import inputs
from export.results import REORDERED
from export.skeleton.accepted import accept
from export.skeleton.keras_graph import called_with
from export.skeleton.tracing import outline, trace

COUNT = 4  # probes; a twin differs on all of them or on none


class Likeness:
    """Probes of a network, and how far its outputs may move, as its own noise on them says.

    The noise is measured where outputs move by more than is always allowed: that takes memory.
    """

    def __init__(self, model, seed: int):
        """Take a Keras `model`; ValueError for one that cannot be exported."""
        self.contract, self._model = accept(model), model
        self.probes = part(inputs(outline(model, self.contract), seed), slice(COUNT))

    @cached_property
    def noise(self) -> Noise | None:
        """The noise of the model with the weights that it has now; None if it does not run so."""
        from export.networks.noise import measure_noise

        try:
            return measure_noise(self._skeleton, self.probes, kinds=[REORDERED.kind])
        except NoiseError:
            return None

    @cached_property
    def _skeleton(self):
        return trace(self._model)

    @cached_property
    def _spelt(self) -> dict[str, str]:
        """What the skeleton calls each output: one that ends in a softmax is no logits to it."""
        pairs = zip(self.contract.outputs, self._skeleton.contract.outputs, strict=True)
        return {own.name: spelt.name for own, spelt in pairs}

    def outputs(self, model) -> Batch:
        """Return what `model` gives for the probes, by the names of its outputs."""
        parts = []
        for at in range(COUNT):  # one by one: activations of more take more memory
            given = [
                as_tensor(self.probes[one.name][at : at + 1], one.dtype)
                for one in self.contract.inputs
            ]
            made = keras.tree.flatten(called_with(model, given))
            names = (one.name for one in self.contract.outputs)
            parts.append(dict(zip(names, map(np.asarray, made), strict=True)))
        return joined(parts)

    def difference(self, found: Batch, wanted: Batch) -> str:
        """Say which outputs differ by more than sums made in another order; empty if none do."""
        for name, values in wanted.items():
            if _apart(found[name], values) <= REORDERED.smallest:
                continue  # and no noise is measured; NaN is none of this
            worst, allowed = self._apart(name, found[name], values), self.allowed(name)
            if worst <= allowed:
                continue
            outputs = "logits" if self.contract.classifier else name
            return (
                f"other {outputs}: they are off by {worst:.1e} standard deviations, and "
                f"{allowed:.1e} is allowed"
            )
        return ""

    def allowed(self, name: str) -> float:
        """Return how far an output may be off, in standard deviations: a multiple of the noise."""
        return bound(self.noise and self.noise.at(self._spelt[name]), REORDERED).allowed

    def _apart(self, name: str, found: np.ndarray, wanted: np.ndarray) -> float:
        """How far they are apart before a final softmax or sigmoid."""
        ending = self._skeleton.endings.get(self._spelt[name], "")
        return _apart(*(undone(values, ending) for values in (found, wanted)))


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """How far two arrays are apart, in standard deviations; the share that differs of others."""
    if wanted.dtype.kind != "f":
        return float((found != wanted).mean())
    return float(np.abs(found - wanted).max()) / (float(wanted.std()) or 1.0)
