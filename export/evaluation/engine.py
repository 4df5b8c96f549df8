"""Where networks answer pictures: on this machine, or wherever else an engine runs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from export.evaluation.subjects import Subject


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of some of the pictures, by their places in the paths that were asked for."""

    ran: str  # in words, what is run
    places: Sequence[int] = ()
    best: np.ndarray | None = None  # best classes (len(places), TOP or fewer) int32
    broken: dict[int, str] = field(default_factory=dict)  # place -> why it cannot be read


class Engine(Protocol):
    """A context manager that holds what all subjects share."""

    def answers(
        self, subject: Subject, paths: Sequence[Path], classes: int, batch: int
    ) -> Iterator[Answer]:
        """Yield answers to all of `paths`, in any order, `batch` pictures at a time.

        The first answer is to no picture: it comes as soon as the network is loaded. `subject.load`
        and `subject.read` pickle. Raises ExportError where the network cannot be loaded or run.
        """
