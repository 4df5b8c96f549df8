"""OpenVINO on the CPU."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Batch
from export.formats.names import OPENVINO
from export.formats.openvino.reading import MODEL, read_ir
from export.lazy import need
from export.runtimes.base import Runtime, Session, check_names
from export.signatures import SIGNATURE

# Newer processors would compute in bfloat16 by themselves, and no bound is of that.
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@dataclass(frozen=True, kw_only=True)
class OpenVino(Runtime):
    name: str = "openvino"
    title: str = "OpenVINO on the CPU, computing in 32 bits"
    kind: str = OPENVINO

    def load(self, folder: Path, threads: int | None) -> Session:
        openvino = need("openvino", to="running OpenVINO's IR")
        read_ir(folder)  # refuses what a network does not need
        asked = {**EXACT, **({"INFERENCE_NUM_THREADS": threads} if threads else {})}
        core = openvino.Core()
        model = core.read_model(folder / MODEL)
        ends = [[tensor.any_name for tensor in side] for side in (model.inputs, model.outputs)]
        return OpenVinoSession(core.compile_model(model, "CPU", asked), *ends)


class OpenVinoSession(Session):
    def __init__(self, compiled, inputs: list[str], outputs: list[str]):
        # A compiled model has more names for what it fuses, so these are of the model before.
        self._compiled, self.inputs, self._outputs = compiled, tuple(inputs), outputs

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        check_names(batch, self.inputs)
        made = self._compiled(dict(batch))
        return {name: np.array(made[at]) for at, name in enumerate(self._outputs)}

    def close(self) -> None:
        self._compiled = None
