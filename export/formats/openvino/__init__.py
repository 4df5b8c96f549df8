"""OpenVINO's own two files: model.xml has the graph, model.bin the weights, in 16 bits.

OpenVINO reads the ONNX model of the skeleton, in which weights are inputs; when the graph is
written they are constants in a file that does not exist yet, and are then streamed into it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Contract
from export.formats.base import Format, Opened, Order, Written
from export.formats.kept import kept_weights, layer_of
from export.formats.names import OPENVINO
from export.formats.onnx import FORMAT as ONNX_FP32
from export.formats.openvino.reading import open_openvino
from export.networks.base import Network
from export.results import ROUNDED, Rule
from export.skeleton.stores import FLOAT16, FLOAT32, Store


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
        kept = kept_weights(order)
        write_ir(model, places, order, lambda name: FLOAT32 if layer_of(name) in kept else FLOAT16)
        return Written(kept=kept)

    def open(self, folder: Path) -> Opened:
        return open_openvino(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.openvino.network import open_network

        return open_network(folder)


FORMAT = OpenVino()
