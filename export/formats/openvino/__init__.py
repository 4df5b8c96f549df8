"""OpenVINO's own two files: model.xml has the graph, model.bin the weights, in 16 bits.

OpenVINO reads the ONNX model of the skeleton, in which weights are inputs; when the graph is
written they are constants in a file that does not exist yet, and are then streamed into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Contract
from export.errors import ExportError
from export.formats.base import Format, Opened, Order, Written
from export.formats.names import OPENVINO
from export.formats.onnx import FORMAT as ONNX_FP32
from export.formats.openvino.reading import open_openvino
from export.networks.base import Network
from export.results import ROUNDED, Rule
from export.skeleton.keras_graph import scope
from export.skeleton.stores import FLOAT16, FLOAT32, Store

ASKED, TOO_LARGE = "asked for", "its numbers are beyond 65504"


@dataclass(frozen=True, kw_only=True)
class OpenVino(Format):
    name: str = "openvino"
    title: str = "OpenVINO's IR, weights in 16 bits, for Intel's processors and GPUs"
    kind: str = OPENVINO
    precision: str = "fp16"
    rule: Rule = ROUNDED
    rounds: bool = True
    extra: str = "openvino"
    package: str = "openvino"

    @property
    def promises(self) -> dict:
        return {"ir": "11"}

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return FLOAT16

    def constant(self, values: np.ndarray) -> Store:
        return FLOAT32  # an epsilon may be too small for 16 bits

    def unfit(self, contract: Contract) -> str:
        return ONNX_FP32.unfit(contract)

    def write(self, order: Order) -> Written:
        from export.formats.openvino.writing import write_ir

        skeleton = order.skeleton
        model, places = order.conversion.once(lambda: ONNX_FP32.convert(skeleton))
        kept = _kept(order)
        write_ir(model, places, order, lambda name: FLOAT32 if _layer(name) in kept else FLOAT16)
        return Written(kept=kept)

    def open(self, folder: Path) -> Opened:
        return open_openvino(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.openvino.network import open_network

        return open_network(folder)


def _layer(weight: str) -> str:
    return weight.rpartition("/")[0]


def _kept(order: Order) -> Mapping[str, str]:
    """Why a layer's weights stay in 32 bits, by its name or its scope.

    Raises ExportError for a layer that was asked for and has no weights.
    """
    layers = {_layer(weight.name) for weight in order.skeleton.weights}
    reasons = dict.fromkeys(order.beyond, TOO_LARGE)
    for path in order.keep:
        own = [layer for layer in layers if f"{scope(layer)}/".startswith(f"{path}/")]
        if not own:
            raise ExportError(
                f"{path} has no weights, so nothing of it could stay in FP32; keep the layers "
                "beside it"
            )
        reasons |= dict.fromkeys([path, *own], ASKED)
    for layer in layers:
        if any(f"{scope(layer)}/".startswith(f"{path}/") for path in order.beyond):
            reasons.setdefault(layer, TOO_LARGE)
    return reasons


FORMAT = OpenVino()
