"""TensorFlow on the CPU, for SavedModels: as a server loads them, and as Python does."""

from dataclasses import dataclass
from pathlib import Path

from export.contract import Batch
from export.errors import ExportError
from export.formats.names import SAVEDMODEL
from export.formats.savedmodel.reading import Served, read_served
from export.lazy import need
from export.runtimes.base import Runtime, Session, check_names
from export.signatures import SIGNATURE


@dataclass(frozen=True, kw_only=True)
class TensorFlowInPython(Runtime):
    """`tf.saved_model.load`, which runs the functions that object_graph_def lists."""

    name: str = "tensorflow-python"
    title: str = "TensorFlow on the CPU, as Python loads it"
    kind: str = SAVEDMODEL
    packages: tuple[str, ...] = ("tensorflow",)
    loads_twice: bool = False

    def load(self, folder: Path, threads: int | None) -> Session:
        take_threads(threads)
        return PythonSession(read_served(folder))


@dataclass(frozen=True, kw_only=True)
class TensorFlow(Runtime):
    """The graph by the names in its signatures, which is what TensorFlow Serving runs."""

    name: str = "tensorflow"
    title: str = "TensorFlow on the CPU, as a server loads it"
    kind: str = SAVEDMODEL
    packages: tuple[str, ...] = ("tensorflow",)
    loads_twice: bool = False
    again: Runtime = TensorFlowInPython()

    def load(self, folder: Path, threads: int | None) -> Session:
        take_threads(threads)
        return ServedSession(read_served(folder))


class ServedSession(Session):
    def __init__(self, served: Served):
        import tensorflow as tf

        saver = served.meta_graph.saver_def
        self._signatures = served.meta_graph.signature_def
        self.signatures = frozenset(self._signatures)
        self.inputs = tuple(self._signatures[SIGNATURE].inputs)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(served.meta_graph.graph_def, name="")
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        self._session.run(saver.restore_op_name, {saver.filename_tensor_name: served.prefix})

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        info = self._signatures[signature]
        check_names(batch, info.inputs)
        wanted = {name: tensor.name for name, tensor in info.outputs.items()}
        return self._session.run(
            wanted, {info.inputs[name].name: values for name, values in batch.items()}
        )

    def close(self) -> None:
        self._session.close()
        self._session = None


class PythonSession(Session):
    def __init__(self, served: Served):
        import tensorflow as tf

        # It must stay referenced, or its variables are collected under the signatures.
        self._loaded = tf.saved_model.load(served.version)
        self.signatures = frozenset(self._loaded.signatures)
        self.inputs = tuple(self._loaded.signatures[SIGNATURE].structured_input_signature[1])

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        import tensorflow as tf

        run = self._loaded.signatures[signature]
        check_names(batch, run.structured_input_signature[1])
        made = run(**{name: tf.constant(values) for name, values in batch.items()})
        return {name: tensor.numpy() for name, tensor in made.items()}

    def close(self) -> None:
        self._loaded = None


def take_threads(threads: int | None) -> None:
    """Have TensorFlow use `threads` threads; it has one pool of them in a process.

    Raises ExportError where it runs by another number of them already.
    """
    tf = need("tensorflow", to="running a SavedModel")
    threading = tf.config.threading
    if threads is None or threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise ExportError(
            f"TensorFlow runs in this process already, and not by {threads} threads; open the "
            "artifact in a fresh process"
        ) from error
    tf.config.list_logical_devices()  # makes the pool, before a session makes another
