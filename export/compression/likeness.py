"""Whether a network gives what another does, but for the order in which sums are made."""

from dataclasses import dataclass

import numpy as np

from export.checks.bounds import bound
from export.contract import Batch, Contract, part
from export.endings import undone
from export.observe.layers import run_model
from export.observe.noise import Noise, NoiseError
from export.observe.probes import inputs
from export.results import REORDERED
from export.skeleton.tracing import trace

COUNT = 4  # probes; a twin differs on all of them or on none


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Probes of a network, and how far its outputs may move, as its own noise on them says."""

    contract: Contract
    probes: Batch
    noise: Noise | None  # None where it could not be measured: a fixed bound holds
    endings: dict[str, str]

    @classmethod
    def of(cls, model, seed: int) -> "Likeness":
        """Measure the noise of a Keras `model`.

        Raises ValueError for a model that cannot be exported.
        """
        from export.networks.noise import measure_noise

        skeleton = trace(model)
        probes = part(inputs(skeleton, seed), slice(COUNT))
        try:
            noise = measure_noise(skeleton, probes, kinds=[REORDERED.kind])
        except NoiseError:
            noise = None
        return cls(contract=skeleton.contract, probes=probes, noise=noise, endings=skeleton.endings)

    def outputs(self, model) -> Batch:
        """Return what `model` gives for the probes, by the names of its outputs."""
        return run_model(model, self.contract, self.probes)[0]

    def difference(self, found: Batch, wanted: Batch) -> str:
        """Say which outputs differ by more than sums made in another order; empty if none do."""
        for name, values in wanted.items():
            worst, allowed = self._apart(name, found[name], values), self.allowed(name)
            if not worst <= allowed:  # NaN is wrong too
                outputs = "logits" if self.contract.classifier else name
                return (
                    f"other {outputs}: they are off by {worst:.1e} standard deviations, and "
                    f"{allowed:.1e} is allowed"
                )
        return ""

    def allowed(self, name: str) -> float:
        """Return how far an output may be off, in standard deviations: a multiple of the noise."""
        return bound(self.noise and self.noise.at(name), REORDERED).allowed

    def _apart(self, name: str, found: np.ndarray, wanted: np.ndarray) -> float:
        if wanted.dtype.kind != "f":
            return float((found != wanted).mean())
        found, wanted = (undone(one, self.endings.get(name, "")) for one in (found, wanted))
        return float(np.abs(found - wanted).max()) / (float(wanted.std()) or 1.0)
