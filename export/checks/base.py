"""What a check is given, and how it answers."""

import math
from dataclasses import dataclass

import numpy as np

from export.formats.base import Format
from export.observe import Observation
from export.reference import Reference
from export.results import Check, Status


@dataclass(frozen=True)
class Expected:
    """Counts of the catalog, and where they are from; `source` says why there are none."""

    trainable: int | None
    total: int | None
    page: int | None
    source: str

    @classmethod
    def of(cls, counts, source: str) -> "Expected":
        """From an object with those three attributes, or None where the catalog has no counts."""
        if counts is None:
            return cls(None, None, None, "the catalog has no counts for an image of such channels")
        return cls(counts.trainable, counts.total, counts.page, source)

    @classmethod
    def carried_by(cls, model) -> "Expected":
        """What the catalog has put into `model.expected_counts`, if the model is still the same.

        That is an object with `counts` and `source`, as `of` takes them, and `holds_for(model)`.
        """
        carried = getattr(model, "expected_counts", None)
        if carried is None:
            return cls(None, None, None, "the catalog has no counts for this model")
        if not carried.holds_for(model):
            why = "the model was changed after it was built, so counts of the catalog do not hold"
            return cls(None, None, None, why)
        return cls.of(carried.counts, carried.source)


@dataclass(frozen=True)
class Batches:
    """What the engine gave in batches of one size, and what TensorFlow had built by then."""

    size: int
    logits: np.ndarray  # (rows, classes); whole batches, of the probes again and again
    engines: dict[str, list[int]]  # of each TRTEngineOp: the batch sizes of engines in the cache
    seconds: float  # of the first call, which builds an engine where none fits
    later: float = math.nan  # of the fastest of the calls after it


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """What the engine itself did on a GPU, a batch size at a time."""

    batches: tuple[Batches, ...] = ()  # in the order in which they ran
    unable: str = ""  # why it could not be asked on this machine
    failed: str = ""  # how it failed, where there was a GPU to run it
    uncounted: str = ""  # why it is not known how many engines were built


@dataclass(frozen=True)
class Trial:
    """An artifact as observed, the model it should be, and the format it should have."""

    format: Format
    reference: Reference
    observation: Observation
    expected: Expected
    batch_sizes: tuple[int, ...] = (1, 4, 8)
    engine: EngineRun | None = None
    stock: str = ""  # why the converter's own way was taken, where it was

    def held(self) -> dict[str, str]:
        """Keras' name of each weight that the artifact holds unchanged -> the artifact's name."""
        found = {}
        for weight in self.observation.weights:
            found.setdefault(weight.sha256, []).append(weight.name)
        return {
            weight.name: found[weight.sha256].pop(0)
            for weight in self.reference.weights
            if found.get(weight.sha256)
        }


def verdict(name, passed, measured, allowed, unit="", note="", details=None) -> Check:
    """A check that passed or failed."""
    status = Status.PASSED if passed else Status.FAILED
    return Check(name, status, measured, allowed, unit, note, details or {})


def skipped(name: str, why: str) -> Check:
    """A check that could not be made here, and why."""
    return Check(name, Status.SKIPPED, note=why)
