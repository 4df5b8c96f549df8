"""Pictures decoded ahead of the network, by worker processes, in batches of bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.evaluation.child import follow_parent

Read = Callable[[Path], np.ndarray]  # path -> float32 (h, w, 3); ValueError where it is broken


class Readers:
    """Worker processes that read pictures. A context manager; no workers read in this process."""

    def __init__(self, workers: int):
        if workers < 0:
            raise ValueError(f"workers are 0 or more. Received: {workers}")
        self.workers = workers
        self._pool: Executor | None = None

    def __enter__(self) -> "Readers":
        if self.workers:
            # Not forked: the threads of numerical libraries do not survive a fork.
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=follow_parent
            )
        return self

    def __exit__(self, *_) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def batches(
        self, read: Read, paths: Sequence[Path], size: int
    ) -> Iterator[tuple[list[int], np.ndarray | None, dict[int, str]]]:
        """Yield indexes into `paths`, their pictures (n, h, w, 3) float32, and broken ones.

        n is at most `size`; a batch whose pictures are all broken has None. Besides the batch that
        was yielded, two more and one picture a worker are in memory at the most.
        """
        reads = self._reads(read, paths, ahead=2 * size + self.workers)
        indexes, pictures, broken = [], [], {}
        for index, result in enumerate(reads):
            if isinstance(result, str):
                broken[index] = result
            else:
                indexes.append(index)
                pictures.append(result)
            if len(indexes) == size or len(broken) == size or index + 1 == len(paths):
                yield indexes, np.stack(pictures) if pictures else None, broken
                indexes, pictures, broken = [], [], {}

    def _reads(self, read: Read, paths: Sequence[Path], ahead: int) -> Iterator[np.ndarray | str]:
        if not self._pool:
            yield from (attempt(read, path) for path in paths)
            return
        waiting: deque[Future] = deque()
        try:
            for path in paths:
                waiting.append(self._pool.submit(attempt, read, path))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as cause:
            raise ExportError(
                "a process that decodes pictures died, perhaps for want of memory; "
                "go on with --resume and fewer --workers"
            ) from cause


def attempt(read: Read, path: Path) -> np.ndarray | str:
    """The picture, or in one line why there is none."""
    try:
        return read(path)
    except ValueError as error:
        return str(error)
