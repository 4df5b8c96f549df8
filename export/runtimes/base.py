"""What a runtime is: something that opens an artifact and answers batches, on a device."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.contract import Batch
from export.errors import ExportError
from export.signatures import SIGNATURE


class Session(ABC):
    """An artifact that is loaded and answers; a context manager, at whose end it is freed."""

    signatures: frozenset[str] = frozenset([SIGNATURE])
    inputs: tuple[str, ...] = ()  # the names that SIGNATURE takes

    @abstractmethod
    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        """Run one batch: inputs by name -> outputs by name.

        Raises ValueError for other inputs than the signature's, and whatever the runtime raises
        where the batch does not run.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what was loaded; it answers no more."""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Runtime(ABC):
    """A way to run artifacts of one kind on one device."""

    name: str
    title: str  # in words what runs, for notes and tables
    kind: str  # what it opens: the `kind` of formats
    device: Literal["cpu", "gpu"] = "cpu"
    untimed: str = ""  # why its speed tells nothing, where it does not
    packages: tuple[str, ...] = ()  # what it imports, for a process to do so early
    loads_twice: bool = True  # whether it holds the weights twice for as long as it loads them
    # Another way to load the same artifact, which must give the same.
    again: "Runtime | None" = None

    def why_not(self) -> str:
        """Say why it does not run on this machine; empty where it does."""
        return ""

    def open(self, folder: Path, threads: int | None = None) -> Session:
        """Load the artifact in `folder`, to be run by `threads` threads or as many as it likes.

        Raises ArtifactError where there is no such artifact or it holds what it should not,
        ExportError where the runtime does not run here, and ValueError for less than a thread.
        """
        if threads is not None and threads < 1:
            raise ValueError(f"a runtime has at least 1 thread. Received: {threads}")
        if why := self.why_not():
            raise ExportError(f"{self.title} does not run here: {why}")
        return self.load(folder, threads)

    @abstractmethod
    def load(self, folder: Path, threads: int | None) -> Session:
        """Do what `open` promises, once that has seen that it can be done."""


def check_names(batch: Batch, inputs: Iterable[str]) -> None:
    """Raise ValueError unless `batch` has exactly the `inputs`."""
    if set(batch) != set(inputs):
        raise ValueError(f"the inputs are {sorted(inputs)}. Received: {sorted(batch)}")
