"""Artifacts by other converters, of the same model, to be measured beside ours.

`work` answers a job in a process of its own: it builds the model that `builder` returns for
`arguments`, and writes it below the folder `to` as `kind`, by the converter that is compared.
"""

from pathlib import Path

from export.benchmark.keras_session import build_keras
from export.errors import ExportError
from export.formats.base import Format
from export.formats.names import ONNX, SAVEDMODEL
from export.runtimes.base import Batch, Session
from export.signatures import SIGNATURE
from export.study.converters import CONVERTERS, KERAS, TF2ONNX

COMPARED = {SAVEDMODEL: KERAS, ONNX: TF2ONNX}  # kind of our format -> the converter of others
# Peak memory in multiples of the artifact's bytes, and what any conversion takes: measured of
# tf2onnx on DarkNet-53 and of Model.export on VGG-19.
FACTORS, LEAST = {SAVEDMODEL: 8, ONNX: 90}, 1_000_000_000


def converter(format: Format) -> str:
    """The converter that artifacts of `format` are compared with; empty where there is none."""
    return COMPARED.get(format.kind, "") if format.precision == "fp32" else ""


def check_memory(kind: str, weight_bytes: int) -> None:
    """Raise ExportError where the conversion would take more memory than there is."""
    import psutil

    wanted, free = LEAST + FACTORS[kind] * weight_bytes, psutil.virtual_memory().available
    if wanted > free:
        raise ExportError(
            f"{COMPARED[kind]} takes about {wanted / 1e9:.0f} GB for this model and "
            f"{free / 1e9:.0f} GB are free; compare on a larger machine"
        )


def work(job: dict, _arrays: dict) -> tuple[dict, dict]:
    kind, folder = job["kind"], Path(job["to"])
    folder.mkdir(parents=True)
    CONVERTERS[kind, COMPARED[kind]](build_keras(job["builder"], job["arguments"]), folder)
    return {}, {}


def open_stock(kind: str, folder: Path, threads: int | None) -> Session:
    """What was written to `folder`, in the session that artifacts of ours are run in."""
    if kind == ONNX:
        from export.formats.onnx.reading import MODEL
        from export.runtimes.onnx_runtime import start

        return Renamed(start(folder / MODEL, threads))
    from export.runtimes.tensorflow import ServedSession, take_threads

    take_threads(threads)
    return Renamed(ServedSession(_served(folder / "1")))


def _served(version: Path):
    """The SavedModel of another writer, which need not be of operations that we know."""
    from tensorflow.core.protobuf import saved_model_pb2

    from export.formats.savedmodel.reading import Served

    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    return Served(version, model.meta_graphs[0], {})


class Renamed(Session):
    """A session of one input, whatever that is called."""

    def __init__(self, session: Session):
        self._session, (self._input,) = session, session.inputs

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        (values,) = batch.values()
        return self._session.predict({self._input: values}, signature)

    def close(self) -> None:
        self._session.close()
