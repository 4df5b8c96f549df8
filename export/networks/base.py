"""What the gate sees of an artifact's graph, and how it asks for a changed one.

An artifact is opened a second time as a `Network`: its own graph in its own runtime, but with the
weights apart, so that an edit costs what it changes and nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol

import numpy as np

from export.contract import Batch, Predict

CONV, DENSE, RELU, POOL, JOIN, PAD = "conv", "dense", "relu", "pool", "join", "pad"


@dataclass(frozen=True)
class Part:
    """An operation of a network that a bug could sit in."""

    kind: str
    node: str  # its name in the artifact
    output: str  # the tensor that it gives
    _: KW_ONLY
    kernel: str = ""  # of a convolution or dense layer: a weight, as the artifact calls it
    bias: str = ""
    padded: bool = False  # whether it pads by itself, and could do so one pixel off
    ragged: bool = True  # whether a pool's output has another size, or may, once rounded up


# How a node can be wrong, and no weight with it.
BYPASS = "bypass"  # it hands its input on
ZERO = "zero"  # the last of its inputs is zero
HALVE = "halve"  # the upper half of its output's channels is zero
CEIL = "ceil"  # it rounds the size of its output up
SHIFT = "shift"  # it pads one pixel less in front and one more behind


@dataclass(frozen=True)
class Change:
    verb: str
    node: str


@dataclass(frozen=True)
class Edit:
    """A change to a network: to weights (in Keras' layout), nodes, inputs or outputs."""

    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    given: Predict | None = None  # what the inputs become
    gives: Predict | None = None  # what the outputs become

    @property
    def inside(self) -> bool:
        """Whether the edit changes the graph or its weights, so that it must be built anew."""
        return bool(self.weights or self.changes)


UNCHANGED: Mapping[str, np.ndarray] = {}


class Network(Protocol):
    """An artifact that can be changed in memory. Tensors have the artifact's names."""

    graph: object
    outputs: Mapping[str, str]  # the tensor that gives each output, by the output's name
    parts: tuple[Part, ...]  # in the order in which they run

    def read(self, weight: str) -> np.ndarray:
        """Return the values of a weight in the layout that Keras keeps them in."""

    def changed(self, edit: Edit):
        """Return a graph in which the nodes that `edit` names are changed."""

    def build(self, graph, weights: Mapping[str, np.ndarray] = UNCHANGED) -> Predict:
        """Make the graph, which may be a changed one, ready to run, with some weights replaced."""

    def fetch(self, tensors: Iterable[str], batch: Batch) -> dict[str, np.ndarray]:
        """Return the values of tensors for the inputs in `batch`, by the tensors' names."""

    def tensors(self) -> list[str]:
        """Return the names of all float tensors that operations give, in running order."""


def around(predict: Predict, edit: Edit) -> Predict:
    """Wrap `predict` in what `edit` does to the inputs and to the outputs."""

    def changed(batch: Batch) -> Batch:
        given = edit.given(batch) if edit.given else batch
        made = predict({name: np.ascontiguousarray(values) for name, values in given.items()})
        return edit.gives(made) if edit.gives else made

    return changed


def is_ragged(sizes: Iterable[int | None], windows: Iterable[int], strides: Iterable[int]) -> bool:
    """Whether windows that step over axes of these sizes leave a rest; None is any size."""
    axes = zip(sizes, windows, strides, strict=True)
    return any(size is None or (size - window) % stride for size, window, stride in axes)


def only(outputs: Mapping[str, str]) -> str:
    """The tensor of a network's only output; empty where it has several."""
    return next(iter(outputs.values())) if len(outputs) == 1 else ""


def in_order(sources: Mapping[str, Iterable[str]], last: Iterable[str]) -> list[str]:
    """Return `last` and the nodes that they depend on by name, each after its `sources`."""
    order, seen, stack = [], set(), [(name, False) for name in reversed(list(last))]
    while stack:
        name, done = stack.pop()
        if done:
            order.append(name)
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack.extend((s, False) for s in reversed(list(sources[name])) if s in sources)
    return order
