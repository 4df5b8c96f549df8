"""What a format is, and what an artifact shows of itself once it is opened.

Formats measure; checks judge.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from export.compression.facts import Facts, look
from export.contract import Contract, Tensor
from export.errors import ExportError
from export.lazy import install
from export.networks.base import Network
from export.results import BATCH_SIZES, REORDERED, Rule
from export.skeleton.pour import digest
from export.skeleton.stores import FLOAT32, Store


@dataclass(frozen=True)
class Found:
    """A weight found in an artifact, turned back to the layout that Keras keeps it in."""

    name: str  # as the artifact calls it
    shape: tuple[int, ...]
    sha256: str  # of little-endian float32 values
    facts: Facts | None = None  # what they show; None for what has but one axis
    _: KW_ONLY
    scale: tuple[float, ...] = ()  # the steps that a bias is rounded to, where it is an integer

    @classmethod
    def of(cls, name: str, values: np.ndarray, scale: tuple[float, ...] = ()) -> "Found":
        """From the values as Keras keeps them, float32."""
        with ThreadPoolExecutor(1) as beside:  # hashing lets go of Python
            sha256 = beside.submit(digest, values)
            facts = look(values) if values.ndim > 1 else None
        return cls(name, values.shape, sha256.result(), facts, scale=scale)

    @property
    def layer(self) -> str:
        """The name of the layer that a weight called as Keras calls it is of."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An artifact on disk, ready to be looked at; export/runtimes run it.

    `weights` reads the artifact itself, one weight at a time. `graph` holds facts for the check of
    the same name: the `kind`, `ops` (the number of each operation), and what the kind adds.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: Callable[[], Iterator[Found]]
    graph: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Classify:
    """What an artifact's signature `classify` is made of; see export/signatures."""

    labels: tuple[str, ...]  # of each class
    recipe: object  # how pictures become images


class Conversion:
    """What a converter made of a traced network, kept for further orders of the same network.

    A converter that never sees a weight makes the same of one set of weights as of another.
    """

    def __init__(self):
        self._made = []
        self._begun: Callable[[], object] | None = None

    def begin(self, finish: Callable[[], object]) -> None:
        """Take down that a conversion is under way; `finish` waits for it and returns it."""
        self._begun = finish

    def once(self, convert: Callable[[], object]):
        """Return what `convert` makes, which is called the first time alone; each time a copy.

        Where one has begun, that is what is returned.
        """
        if not self._made:
            self._made.append((self._begun or convert)())
        return deepcopy(self._made[0])


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a format is asked to write, and where."""

    skeleton: object  # a traced network; see export/skeleton
    folder: Path  # empty: where the artifact goes
    scratch: Path  # for whatever is needed on the way
    classify: Classify | None = None  # None: no such signature
    keep: tuple[str, ...] = ()  # scopes of layers that stay in 32 bits, because a user asks for it
    beyond: tuple[str, ...] = ()  # the same, because their outputs are beyond 16 bits
    calibration: object = None  # images for the ranges of activations; see export/calibration
    images_sha256: str = ""  # of those images
    engines: int = len(BATCH_SIZES)  # how many batch sizes a server will use; an engine is of one
    conversion: Conversion = field(default_factory=Conversion)


@dataclass(frozen=True)
class Written:
    """What a format says of an artifact that it has just written."""

    note: str = ""  # how it was made, where that is not as usual
    stock: str = ""  # why the converter's own way was taken, where it was
    kept: dict = field(default_factory=dict)  # layers left in 32 bits, and why each was
    ranges: dict = field(default_factory=dict)  # of activations, by what gives them


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """A kind of artifact: everything that the rest of the toolkit asks about it stands here.

    What has a default is as it is of a format that keeps 32-bit weights as they are.
    """

    name: str  # what --format takes
    title: str  # one line on what it is for
    kind: str  # what its artifacts are: a word of export/formats/names.py, or one of its own
    server: str = ""  # what serves it: a word of export/formats/names.py; empty: nothing
    precision: str = "fp32"  # or "fp16": what its engine, or whatever runs it, computes in
    scales_channels: bool = False  # whether each output channel of a kernel has its own scale
    rule: Rule = REORDERED  # what its logits may be off by
    engine_rule: Rule | None = None  # the same of its TensorRT engine; None: it has no engine
    lane: str | None = None  # the private environment that writes it
    begins: bool = False  # whether `begin` has something to do
    crowded: bool = False  # whether a process beside takes as much as the weights to write it
    extra: str = ""  # of setup.cfg, which brings what writes and runs it; empty: nothing more
    package: str = ""  # that the extra brings, as it is imported
    needs: frozenset[str] = frozenset()  # options that it cannot be written without
    # Ways to run it that it brings itself, before those of export/runtimes: each is a Runtime.
    runtimes: tuple[object, ...] = ()
    rounds: bool = False  # whether its artifacts are rounded themselves, not by what runs them
    rounds_activations: bool = False  # whether those do more than hold rounded weights
    copies: bool = False  # whether a weight may stand in several places of an artifact
    classifies: bool = False  # whether labels give it the signature `classify`

    def unmet(self, options) -> list[str]:
        """The names in `needs` that `options` lack, or have empty."""
        values = {name: getattr(options, name, None) for name in sorted(self.needs)}
        return [name for name, value in values.items() if value is None or _is_empty(value)]

    @property
    def missing(self) -> str:
        """Say which package it lacks on this machine, and how to get it; empty where none."""
        if not self.package or find_spec(self.package):
            return ""
        return f"{self.name} needs {self.package}, which is not installed; {install(self.extra)}"

    @property
    def noises(self) -> frozenset[str]:
        """The kinds of a network's noise that checks of this format compare with."""
        rules = [rule for rule in (self.rule, self.engine_rule) if rule]
        exact = [REORDERED.kind] if self.rounds else []
        return frozenset([*(rule.kind for rule in rules), *exact, self.precision])

    def unfit(self, contract: Contract) -> str:
        """Say why it cannot hold a network of this contract; empty where it can."""
        return ""

    def limit(self, skeleton) -> str:
        """Say why it cannot hold this traced network; empty where it can.

        It is asked before the model is run, because that may take minutes.
        """
        return ""

    def apart(self, skeleton) -> str:
        """Say what of this traced network its engine would leave out; empty where nothing is known.

        Nobody asks where an engine for a part is enough.
        """
        return ""

    @property
    def promises(self) -> dict:
        """Facts of `Opened.graph` that every artifact has; the check of the graph compares them."""
        return {}

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        """Return how a right artifact keeps a weight.

        `axes` are those of its channels, where it is the kernel of a layer; else there are none.
        """
        return FLOAT32

    def constant(self, values: np.ndarray) -> Store:
        """Return how a right artifact keeps a constant of the graph that is no weight."""
        return self.store(values)

    def steps(self, span: tuple[float, float], kind: str) -> tuple[float, int]:
        """Return scale and zero point that a right artifact rounds an activation of that range to.

        `kind` is the element type that the artifact keeps it in. Formats with ranges have them.
        """
        raise ExportError(f"{self.name} rounds no activation to steps")

    def begin(self, order: Order, held: ExitStack) -> None:  # noqa: B027, most have nothing to do
        """Begin what needs no weight, in a process that ends with `held`; `write` waits for it.

        It is asked of one format of an export, while the model is run.
        """

    @abstractmethod
    def write(self, order: Order) -> Written:
        """Write an artifact as `order` says."""

    def write_stock(self, order: Order) -> None:
        """Write it as the converter's documentation says, with all weights in its graph."""
        raise ExportError(f"{self.name} has no converter of its own; there is one way to write it")

    @abstractmethod
    def open(self, folder: Path) -> Opened:
        """Open the artifact in `folder`; raise ArtifactError where there is none."""

    def misrounded(self, folder: Path, to: Path) -> Iterable[str]:
        """Write the artifact in `folder` to `to` with one bug of rounding after another.

        Yields what each is called; a format that has no steps to be wrong in yields nothing.
        """
        return ()

    @abstractmethod
    def network(self, folder: Path) -> Network:
        """Open it as a network that can be changed, its weights apart from its graph.

        Where artifacts are rounded, this is the network with nothing in it that rounds, and with
        their weights as float32.
        Raises ArtifactError where there is none.
        """


def _is_empty(value) -> bool:
    return isinstance(value, Sized) and not len(value)
