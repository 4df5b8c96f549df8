"""What a check is given, and how it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from export.formats.base import Format, Found
from export.observe.artifact import Observation
from export.observe.base import Reference
from export.observe.engine import EngineRun
from export.observe.plain import Plain
from export.results import BATCH_SIZES, MIN_AGREEMENT
from export.skeleton.stores import Quantised


@dataclass(frozen=True)
class Expected:
    """Counts of the catalog, and where they are from; `source` says why there are none."""

    trainable: int | None
    total: int | None
    page: int | None
    source: str

    @classmethod
    def unknown(cls, why: str) -> "Expected":
        """Expect no counts, and say `why` there are none."""
        return cls(None, None, None, why)

    @classmethod
    def of(cls, counts, source: str) -> "Expected":
        """Expect the three counts that are attributes of `counts`, or none if that is None."""
        if counts is None:
            return cls.unknown("the catalog has no counts for an image of such channels")
        return cls(counts.trainable, counts.total, counts.page, source)

    @classmethod
    def carried_by(cls, model) -> "Expected":
        """Expect the counts in `model.expected_counts`, unless the model was changed since.

        That is an object with `counts` and `source`, as `of` takes them, and `holds_for(model)`.
        """
        carried = getattr(model, "expected_counts", None)
        if carried is None:
            return cls.unknown("the catalog has no counts for this model")
        if not carried.holds_for(model):
            return cls.unknown(
                "the model was changed after it was built, so counts of the catalog do not hold"
            )
        return cls.of(carried.counts, carried.source)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an artifact is held against: its format, the model it should be, what is expected."""

    format: Format
    reference: Reference
    expected: Expected
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    stock: str = ""  # why the converter's own way was taken, where it was
    kept: Mapping[str, str] = field(default_factory=dict)  # layers left in 32 bits, and why
    compression: Mapping = field(default_factory=dict)  # what the model's compression promises
    calibration: Mapping = field(default_factory=dict)  # as in a report
    held_out: int = 0  # images, behind the probes, that agreement is measured on
    min_agreement: float = MIN_AGREEMENT  # share of them whose first choice is the model's
    partial_engines: bool = False  # whether engines for a part of the network are enough

    @property
    def weights(self) -> tuple[Found, ...]:
        """The weights as the artifact should hold them."""
        return self.reference.weights_in(self.format, self.kept)


@dataclass(frozen=True, kw_only=True)
class Trial(Case):
    """The same, with the artifact as it was observed."""

    observation: Observation
    engine: EngineRun | None = None
    plain: Plain | None = None  # of formats that round

    @property
    def weights(self) -> tuple[Found, ...]:
        """The weights as the artifact should hold them, biases in the steps that it states."""
        steps = {found.name: found.scale for found in self.observation.weights if found.scale}
        return tuple(
            self._in_steps(weight, steps[weight.name]) if weight.name in steps else weight
            for weight in super().weights
        )

    def _in_steps(self, weight: Found, scale: tuple[float, ...]) -> Found:
        values = self.reference.vectors.get(weight.name)
        if values is None or len(scale) != len(values) or not min(scale) > 0:
            return weight
        store = Quantised("<i4", np.array(scale, np.float32))
        return replace(weight, sha256=store.digest(values))

    @property
    def comparable(self) -> bool:
        """Whether the artifact gives outputs of the names and shapes of the model's."""
        found = {name: values.shape for name, values in self.observation.outputs.items()}
        return found == {name: values.shape for name, values in self.reference.outputs.items()}

    def scales_channels_of(self, kernel: str) -> bool:
        """Return whether each output channel of a kernel has a scale of its own in the artifact."""
        folded = any(norm.kernel == kernel for norm in self.reference.norms)
        return folded or self.format.scales_channels

    def names_in_artifact(self) -> dict[str, str]:
        """Map Keras' name of each weight that the artifact holds unchanged to the artifact's."""
        found = {}
        for weight in self.observation.weights:
            found.setdefault(weight.sha256, []).append(weight.name)
        return {
            weight.name: found[weight.sha256].pop(0)
            for weight in self.weights
            if found.get(weight.sha256)
        }
