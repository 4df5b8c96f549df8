"""LiteRT on the CPU."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Batch
from export.formats.litert.reading import MODEL, read_flat
from export.formats.names import LITERT
from export.lazy import need
from export.runtimes.base import Runtime, Session, check_names
from export.signatures import SIGNATURE


@dataclass(frozen=True, kw_only=True)
class LiteRt(Runtime):
    name: str = LITERT
    title: str = "LiteRT on the CPU"
    kind: str = LITERT

    def load(self, folder: Path, threads: int | None) -> Session:
        litert = need("ai_edge_litert.interpreter", to="running LiteRT")
        read_flat(folder)  # refuses what a network does not need
        interpreter = litert.Interpreter(str(folder / MODEL), num_threads=threads)
        return LiteRtSession(interpreter.get_signature_runner(SIGNATURE))


class LiteRtSession(Session):
    def __init__(self, runner):
        self._runner = runner
        self.inputs = tuple(runner.get_input_details())

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        check_names(batch, self.inputs)
        return {name: np.array(made) for name, made in self._runner(**batch).items()}

    def close(self) -> None:
        self._runner = None
