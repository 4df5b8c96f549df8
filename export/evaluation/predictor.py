"""One network in a process of its own, which answers batches of pictures with best classes.

Its memory goes back when the process ends, a crash ends one column and not the table, and formats
that need no TensorFlow load none.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from export.errors import ExportError, in_one_line
from export.evaluation.child import follow_parent
from export.evaluation.ranks import best_classes
from export.networks.base import Predict


@dataclass(frozen=True)
class Running:
    """A loaded network."""

    predict: Predict
    ran: str  # in words, what `predict` runs

    def best(self, images: np.ndarray, classes: int) -> np.ndarray:
        """Images (n, h, w, c) float32 -> best classes (n, TOP or fewer) int32.

        Raises ExportError where it gives other logits than (n, `classes`).
        """
        logits = np.asarray(self.predict(images))
        if logits.shape != (len(images), classes):
            expected = (len(images), classes)
            raise ExportError(f"logits should be of shape {expected}. Received: {logits.shape}")
        return best_classes(logits)


# Called in another process, so it has to pickle; takes `threads`, or as many as the runtime likes.
Load = Callable[..., Running]


class Predictor:
    """Loads a network in a fresh process. A context manager; calling it answers a batch.

    `ran` then says in words what runs there.

    Raises ExportError where the network cannot be loaded or run, or where its process dies.
    """

    def __init__(self, name: str, load: Load, classes: int):
        self.name = name
        self._arguments = (load, classes)

    def __enter__(self) -> "Predictor":
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._log = tempfile.NamedTemporaryFile(suffix=".log")
        self._process = context.Process(
            target=_serve,
            args=(theirs, self._log.name, *self._arguments),
            name=self.name,
            daemon=True,
        )
        self._process.start()
        theirs.close()
        try:
            self.ran = self._receive()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images (n, h, w, c) float32 -> best classes (n, TOP or fewer) int32."""
        try:
            self._pipe.send(images)
        except OSError:
            self._died()
        return self._receive()

    def __exit__(self, *_) -> None:
        self._pipe.close()  # at which the loop of the other side ends
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._log.close()

    def _receive(self):
        try:
            answer, error = self._pipe.recv()
        except (EOFError, OSError):
            self._died()
        if error:
            raise ExportError(error)
        return answer

    def _died(self):
        self._process.join(timeout=5)
        lines = Path(self._log.name).read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        raise ExportError(
            f"the process that runs {self.name} ended with exit status {self._process.exitcode}, "
            "perhaps for want of memory; go on with --resume and a smaller --batch"
            + (f" (it last said: {said[-1][:200]})" if said else "")
        )


def _serve(pipe, log: str, load: Load, classes: int) -> None:
    follow_parent()
    with Path(log).open("ab") as file:  # runtimes talk, and a bar or a table must stay whole
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        network = load()
        pipe.send((network.ran, ""))
        while True:
            images = pipe.recv()
            pipe.send((network.best(images, classes), ""))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # whatever a runtime raises belongs into the table's one line
        pipe.send((None, in_one_line(error)))
