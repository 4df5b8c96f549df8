"""ONNX in a reduced precision: a pass over the converted model without its weights, then a pour."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from export.formats.base import Order, Written
from export.formats.onnx import Onnx, write_poured
from export.formats.onnx.weightless import close, open_up, with_stores
from export.networks.base import Network
from export.skeleton.pour import Placement, follow
from export.skeleton.stores import Store


@dataclass(frozen=True)
class Pass:
    """What a pass over a model made: `stores` by weight's number, and layers that it left alone.

    `kept` says why, by the name of the layer. `ranges` are those of activations, where they are
    rounded to steps.
    """

    model: object  # a ModelProto
    stores: Mapping[int, Store]
    kept: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


class Places:
    """The weights of a model that are inputs of it, as they lie there; `indices` by their names."""

    def __init__(self, indices: Mapping[str, int], placements: Iterable[Placement], weights):
        self.indices, self._weights = indices, weights
        self._steps = {place.index: place.steps for place in placements}

    def read(self, name: str) -> np.ndarray:
        """The float32 values of one, which may be a view of the model's own."""
        index = self.indices[name]
        return follow(self._steps[index], self._weights[index].read())


@dataclass(frozen=True, kw_only=True)
class ReducedOnnx(Onnx):
    """ONNX whose weights, and what it computes with, are rounded."""

    rounds: bool = True
    rounds_activations: bool = True

    def write(self, order: Order) -> Written:
        skeleton = order.skeleton
        model, placements = order.conversion.once(lambda: self.convert(skeleton))
        indices = open_up(model)
        made = self.reduce(model, Places(indices, placements, skeleton.weights), order)
        close(made.model, indices)
        del made.model.graph.value_info[:]
        places = with_stores(placements, made.stores)
        external = write_poured(made.model, skeleton.weights, places, order.folder, self.largest)
        return Written(external, kept=dict(made.kept), ranges=dict(made.ranges))

    def write_stock(self, order: Order) -> None:
        """There is no other way than the pass over the model without its weights."""
        return super(Onnx, self).write_stock(order)

    @abstractmethod
    def reduce(self, model, places: "Places", order: Order) -> Pass:
        """Run a library's pass over `model`, in which the weights are inputs."""

    def network(self, folder: Path) -> Network:
        """The network with nothing in it that rounds, its weights as float32."""
        from export.formats.onnx.plain import open_plain

        return open_plain(folder)
