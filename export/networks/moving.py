"""How far the tensors of a network move when its graph is changed."""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Event

import numpy as np
import tensorflow as tf

from export.contract import Batch, joined
from export.endings import undone
from export.memory import trim
from export.networks.beside import Beside
from export.networks.differences import moves, with_differences
from export.networks.known import Known
from export.networks.parts import in_parts
from export.networks.tensorflow import TensorFlowNetwork
from export.observe.noise import NoiseError

Fed = Mapping[str, tf.Tensor]  # by placeholder
STOP: ContextVar[Event | None] = ContextVar("stop", default=None)  # ends measuring between runs


class Ends:
    """The float outputs of a network, which come last among the tensors that are fetched."""

    def __init__(self, names: Sequence[str], endings: Mapping[str, str]):
        self.names, self._endings = names, endings
        self.tensors = [f"{name}:0" for name in names]

    @classmethod
    def of(cls, skeleton) -> "Ends":
        names = [tensor.name for tensor in skeleton.contract.outputs if tensor.floats]
        return cls(names, skeleton.endings)

    def compared(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return what is before a final softmax or sigmoid."""
        return undone(values, self._endings.get(name, ""))

    def among(self, values: Sequence) -> Batch:
        """Return the outputs, by name."""
        own = values[len(values) - len(self.names) :]
        return dict(zip(self.names, map(np.asarray, own), strict=True))

    def joined(self, batches: list[Batch]) -> Batch:
        return joined(batches) if self.names else {}


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network as it is, which changed ones are compared with."""

    network: TensorFlowNetwork
    ends: Ends
    batches: list[Batch]
    outputs: list[Batch]  # on each
    tensors: Sequence[str] = ()  # of layers, which are compared as well
    known: Sequence[Known] = ()  # of these, on the first batch

    def moved(self, graph, turns: Iterable[tuple[Fed, Sequence[int]]]) -> dict[str, float]:
        """Return how far each tensor moves in a changed `graph`, in its own standard deviations.

        Each of `turns` is what placeholders are fed that the graph has beside those of the network,
        and the numbers of the batches that it is run on so. The outputs are compared on all of
        these, every other tensor on the first batch alone.
        """
        found, after = {}, {}
        graph = in_parts(self.network, graph)
        graph, fetched, known = with_differences(graph, self.tensors, self.known)
        beside = Beside(self.network, graph)
        for fed, chosen in turns:
            if (stop := STOP.get()) is not None and stop.is_set():
                raise NoiseError("it was stopped")
            trim()  # what the run before has freed
            wanted = [[*([] if at else fetched), *self.ends.tensors] for at in chosen]
            made = beside.run([self.batches[at] for at in chosen], wanted, {**known, **fed})
            for at, values in zip(chosen, made, strict=True):
                after[at] = self.ends.among(values)
                if at == 0:
                    moved = moves(values[: len(fetched)], self.known)
                    found = dict(zip(self.tensors, moved, strict=True))
        own = self.ends.joined([self.outputs[at] for at in sorted(after)])
        others = self.ends.joined([after[at] for at in sorted(after)])
        last = {
            tensor: _moved(*(self.ends.compared(name, side[name]) for side in (own, others)))
            for tensor, name in zip(self.ends.tensors, self.ends.names, strict=True)
        }
        return {**found, **last}


def _moved(own: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, in standard deviations of `own`."""
    moved = _largest(own, other) / (_spread(own) or 1.0)
    return moved if np.isfinite(moved) else float("inf")


def _spread(values: np.ndarray) -> float:
    return float(np.std(values, dtype=np.float64))


def _largest(own: np.ndarray, other: np.ndarray) -> float:
    kind = np.result_type(own.dtype, np.float32)  # flags cannot be subtracted as they are
    difference = np.atleast_1d(own).astype(kind)
    difference -= other
    return float(np.abs(difference, out=difference).max())
