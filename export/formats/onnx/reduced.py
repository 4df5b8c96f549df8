"""ONNX in a reduced precision: a pass over the converted model without its weights, then a pour."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from export.formats.base import Order, Written
from export.formats.onnx import Onnx, write_poured
from export.formats.onnx.weightless import close, open_up, stored
from export.networks.base import Network
from export.skeleton.stores import Store


@dataclass(frozen=True)
class Pass:
    """What a pass over a model made: `stores` by weight's number, and layers that it left alone.

    `kept` says why, by the name of the layer.
    """

    model: object  # a ModelProto
    stores: Mapping[int, Store]
    kept: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ReducedOnnx(Onnx):
    """ONNX whose weights, and what it computes with, are rounded."""

    rounds: bool = True

    def write(self, order: Order) -> Written:
        skeleton = order.skeleton
        model, placements = order.conversion.once(lambda: self.convert(skeleton))
        indices = open_up(model)
        made = self.reduce(model, indices, order)
        close(made.model, indices)
        del made.model.graph.value_info[:]
        places = stored(placements, made.stores)
        external = write_poured(made.model, skeleton.weights, places, order.folder, self.largest)
        return Written(external, kept=dict(made.kept))

    def write_stock(self, order: Order) -> None:
        """There is no other way than the pass over the model without its weights."""
        return super(Onnx, self).write_stock(order)

    @abstractmethod
    def reduce(self, model, indices: Mapping[str, int], order: Order) -> Pass:
        """Run a library's pass over `model`, in which the weights `indices` are inputs."""

    def network(self, folder: Path) -> Network:
        """The network with nothing in it that rounds, its weights as float32."""
        from export.formats.onnx.plain import open_plain

        return open_plain(folder)
