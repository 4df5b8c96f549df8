"""LiteRT's flatbuffer, model.tflite: the graph first, and the weights behind it.

The LiteRT converter sees a network whose weights are constants of one repeated value each, in a
process of its own; its flatbuffer is kept without them, and the weights are streamed behind it.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Contract
from export.formats.base import Format, Opened, Order, Written
from export.formats.kept import kept_weights, layer_of
from export.formats.litert.reading import open_litert
from export.formats.names import LITERT
from export.networks.base import Network
from export.results import ROUNDED, Rule
from export.skeleton.stores import FLOAT16, FLOAT32, Store


@dataclass(frozen=True, kw_only=True)
class LiteRt(Format):
    name: str = "litert"
    title: str = "LiteRT's flatbuffer (.tflite), for phones and small machines"
    kind: str = LITERT
    extra: str = "litert"
    package: str = "ai_edge_litert"
    crowded: bool = True
    begins: bool = True

    def begin(self, order: Order, held: ExitStack) -> None:
        from export.formats.litert.writing import begin

        begin(order, held)

    def unfit(self, contract: Contract) -> str:
        texts = [tensor.name for tensor in contract.inputs if tensor.dtype == "string"]
        return f"its operators on text are not converted, and {texts[0]} is text" if texts else ""

    def write(self, order: Order) -> Written:
        from export.formats.litert.writing import write_flatbuffer

        write_flatbuffer(order, lambda _: FLOAT32)
        return Written()

    def open(self, folder: Path) -> Opened:
        return open_litert(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.litert.network import open_network

        return open_network(folder)


@dataclass(frozen=True, kw_only=True)
class LiteRtFp16(LiteRt):
    name: str = "litert-fp16"
    title: str = "LiteRT's flatbuffer, weights in 16 bits; half the size"
    precision: str = "fp16"
    rule: Rule = ROUNDED
    rounds: bool = True

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return FLOAT16

    def constant(self, values: np.ndarray) -> Store:
        return FLOAT32

    def write(self, order: Order) -> Written:
        from export.formats.litert.writing import write_flatbuffer

        kept = kept_weights(order)
        write_flatbuffer(order, lambda name: FLOAT32 if layer_of(name) in kept else FLOAT16)
        return Written(kept=kept)


FORMAT, FP16 = LiteRt(), LiteRtFp16()
