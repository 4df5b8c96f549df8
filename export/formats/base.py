"""What a format is, and what an artifact shows of itself once it is opened.

Formats measure; checks judge.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from export.results import BATCH_SIZES, Rule

Predict = Callable[[np.ndarray], np.ndarray]  # images (n, h, w, c) float32 -> logits (n, classes)


@dataclass(frozen=True)
class Tensor:
    """An input or output as the artifact declares it; a free axis is None or has a name."""

    name: str
    dtype: str  # numpy's name
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Found:
    """A weight found in an artifact, turned back to the layout that Keras keeps it in."""

    name: str  # as the artifact calls it
    shape: tuple[int, ...]
    sha256: str  # of little-endian float32 values


@dataclass(frozen=True)
class Loaded:
    """What one way of loading an artifact runs."""

    predict: Predict
    classify: Callable[[list[bytes]], dict] | None  # encoded pictures -> its outputs


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An artifact on disk, ready to be looked at and run.

    `weights` reads the artifact itself, one weight at a time. `graph` holds facts for the check of
    the same name. `ran` says in words what `predict` runs. `again` loads the artifact in
    another way, which must give the same; what was opened cannot run any more then.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: Callable[[], Iterator[Found]]
    predict: Predict
    graph: dict = field(default_factory=dict)
    ran: str = ""
    classify: Callable[[list[bytes]], dict] | None = None  # as in Loaded
    again: Callable[[], Loaded] | None = None


@dataclass(frozen=True)
class Classify:
    """What an artifact's signature `classify` is made of; see export/signatures."""

    labels: tuple[str, ...]  # of each class
    recipe: object  # how pictures become images


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a format is asked to write, and where."""

    skeleton: object  # a traced network; see export/skeleton
    folder: Path  # empty: where the artifact goes
    scratch: Path  # for whatever is needed on the way
    classify: Classify | None = None  # None: no such signature
    engines: int = len(BATCH_SIZES)  # how many batch sizes a server will use; an engine is of one


@dataclass(frozen=True)
class Written:
    """What a format says of an artifact that it has just written."""

    note: str = ""  # how it was made, where that is not as usual
    stock: str = ""  # why the converter's own way was taken, where it was


class Format(Protocol):
    """A kind of artifact."""

    name: str  # what --format takes
    title: str  # one line on what it is for
    kind: str  # what its artifacts are: a word of export/formats/names.py, or one of its own
    precision: str  # "fp32" or "fp16": what its engine computes in
    rule: Rule  # what its logits may be off by
    engine_rule: Rule | None  # the same of its TensorRT engine; None: it has no engine
    lane: str | None  # the private environment that writing it needs
    classifies: bool  # whether labels give it the signature `classify`

    def write(self, order: Order) -> Written:
        """Write an artifact as `order` says."""

    def open(self, folder: Path) -> Opened:
        """Open the artifact in `folder`; raise ArtifactError where there is none."""
