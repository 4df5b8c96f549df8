"""The engine of this machine: pictures decoded by workers, each network in a process of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.evaluation.engine import Answer
from export.evaluation.predictor import Predictor
from export.evaluation.readers import Readers
from export.evaluation.subjects import Subject


class Local:
    """An `Engine` with `workers` processes that decode; with none, this process does."""

    def __init__(self, workers: int = 1):
        self._readers = Readers(workers)

    def __enter__(self) -> "Local":
        self._readers.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._readers.__exit__(*error)

    def answers(
        self, subject: Subject, paths: Sequence[Path], classes: int, batch: int
    ) -> Iterator[Answer]:
        with Predictor(subject.name, subject.load, classes) as predict:
            yield Answer(ran=predict.ran)
            for places, images, broken in self._readers.batches(subject.read, paths, batch):
                best = None if images is None else predict(images)
                yield Answer(ran=predict.ran, places=places, best=best, broken=broken)
