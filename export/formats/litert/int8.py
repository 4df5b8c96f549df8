"""LiteRT in 8 bits: a flatbuffer whose weights and activations are whole numbers of steps.

LiteRT's quantizer sees a model whose kernels have one number for each channel, and says what of the
graph is rounded; the numbers are ours: ranges from calibration, steps and integers from Keras'
weights, poured as in the other formats.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.calibration.names import by_layer
from export.contract import Contract
from export.formats.base import Order, Written
from export.formats.litert import LiteRt
from export.networks.base import Network
from export.results import QUANTISED, Rule
from export.skeleton.stores import FLOAT32, Quantised, Store, scales_of


@dataclass(frozen=True, kw_only=True)
class LiteRtInt8(LiteRt):
    name: str = "litert-int8"
    title: str = "LiteRT's flatbuffer in 8 bits; a quarter of the size"
    package: str = "litert_quantizer"
    precision: str = "int8"
    scales_channels: bool = True
    rule: Rule = QUANTISED
    rounds: bool = True
    rounds_activations: bool = True
    begins: bool = False  # ranges are taken first, for minutes
    needs: frozenset[str] = frozenset(["calibration"])

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return Quantised(scale=scales_of(values, axes)) if axes else FLOAT32

    def constant(self, values: np.ndarray) -> Store:
        return FLOAT32

    def unfit(self, contract: Contract) -> str:
        if contract.classifier:
            return super().unfit(contract)
        return "8 bits are calibrated on pictures, one image in and one row of logits out"

    def steps(self, span: tuple[float, float], kind: str) -> tuple[float, int]:
        from export.formats.litert.steps import steps_of

        return steps_of(span)

    def write(self, order: Order) -> Written:
        from export.formats.litert.calibrating import activations, ranges
        from export.formats.litert.quantizing import quantised, with_unique_names
        from export.formats.litert.reading import MODEL
        from export.formats.litert.writing import converted, pour

        model, places = converted(order, lambda _: FLOAT32)
        with_unique_names(model)
        spans = ranges(model, places, order)
        made = quantised(model, places, spans, order)
        pour(made.model, order.skeleton.weights, made.places, order.folder / MODEL)
        named = by_layer(spans, activations(model).values())
        return Written(kept=dict(made.kept), ranges=named)

    def network(self, folder: Path) -> Network:
        from export.formats.litert.plain import open_plain

        return open_plain(folder)

    def misrounded(self, folder: Path, to: Path) -> Iterator[str]:
        from export.formats.litert.misrounded import misrounded

        return misrounded(folder, to)


FORMAT = LiteRtInt8()
