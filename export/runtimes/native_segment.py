"""TensorFlow on the CPU, for TF-TRT artifacts: the native segment in the place of each engine."""

from dataclasses import dataclass
from pathlib import Path

from export.contract import Batch
from export.formats.names import TFTRT
from export.formats.tftrt.reading import read_tftrt
from export.runtimes.base import Runtime, Session, check_names
from export.runtimes.tensorflow import take_threads
from export.signatures import SIGNATURE


@dataclass(frozen=True, kw_only=True)
class NativeSegment(Runtime):
    name: str = "native-segment"
    title: str = "the native segment in TensorFlow on the CPU, weights read from the artifact"
    kind: str = TFTRT
    packages: tuple[str, ...] = ("tensorflow",)
    loads_twice: bool = False
    untimed: str = "stands in for the engine, whose speed it does not have"

    def load(self, folder: Path, threads: int | None) -> Session:
        take_threads(threads)
        return SegmentSession(*read_tftrt(folder))


class SegmentSession(Session):
    def __init__(self, meta_graph, drained):
        from export.formats.tftrt.native_segment import native_segments

        self._signatures = meta_graph.signature_def
        self.signatures = frozenset(self._signatures)
        self.inputs = tuple(self._signatures[SIGNATURE].inputs)
        self._run = native_segments(meta_graph, drained)

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        check_names(batch, self._signatures[signature].inputs)
        return self._run(signature, batch)

    def close(self) -> None:
        self._run = None
