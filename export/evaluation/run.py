"""Evaluate several networks on the same pictures, one after the other."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from export.errors import ExportError
from export.evaluation.engine import Engine
from export.evaluation.examples import Examples
from export.evaluation.ranks import Ranks, RanksFile, fingerprint
from export.evaluation.subjects import Subject


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a subject: its ranks, or in one line why there are none."""

    subject: Subject
    ranks: Ranks | None = None
    error: str = ""
    ran: str = ""  # in words, what was run; empty where an earlier run had looked at all
    seconds: float = 0.0  # of this run, loading excluded
    looked_at: int = 0  # pictures of this run; the others were kept from an earlier one


class Progress(Protocol):
    """Told how far a subject is; a context manager that ends its display."""

    def start(self, name: str, done: int, total: int) -> None: ...
    def advance(self, count: int) -> None: ...


def evaluate(
    subjects: Sequence[Subject],
    examples: Examples,
    engine: Engine,
    *,
    progress: Progress,
    state: Path,
    resume: bool = False,
    batch: int = 16,
) -> Iterator[Outcome]:
    """Yield the outcome of each subject on `examples`, as soon as `engine` has answered.

    Best classes are kept below the folder `state` while this runs, also when it is interrupted,
    and with `resume` are taken up from there. `forget` removes them.
    """
    if batch < 1:
        raise ValueError(f"a batch is at least 1 picture. Received: {batch}")
    with engine:
        for subject in subjects:
            file = ranks_file(subject, examples, state)
            ranks = Ranks(len(examples.items), examples.classes)
            if resume:
                ranks = file.load(len(examples.items), examples.classes)
            try:
                yield _rank(subject, examples, ranks, file, engine, progress, batch)
            except ExportError as error:
                yield Outcome(subject=subject, error=str(error))


def _rank(
    subject: Subject,
    examples: Examples,
    ranks: Ranks,
    file: RanksFile,
    engine: Engine,
    progress: Progress,
    batch: int,
) -> Outcome:
    """Fill what is undone in `ranks`."""
    todo = ranks.undone()
    progress.start(subject.name, len(examples.items) - len(todo), len(examples.items))
    if not len(todo):
        return Outcome(subject=subject, ranks=ranks)
    file.save(ranks, now=True)  # a folder that cannot be written shows before the work, not after
    paths = examples.paths()
    asked = [paths[index] for index in todo]
    try:
        with closing(engine.answers(subject, asked, examples.classes, batch)) as answers:
            ran = next(answers).ran
            start = time.monotonic()
            for answer in answers:
                if answer.best is not None:
                    ranks.answer(todo[answer.places], answer.best)
                for place, reason in answer.broken.items():
                    ranks.give_up(int(todo[place]), reason)
                file.save(ranks)
                progress.advance(len(answer.places) + len(answer.broken))
        seconds = time.monotonic() - start
    finally:
        file.save(ranks, now=True)
    return Outcome(subject=subject, ranks=ranks, ran=ran, seconds=seconds, looked_at=len(todo))


def ranks_file(subject: Subject, examples: Examples, state: Path) -> RanksFile:
    """The file that keeps this subject's ranks on these pictures."""
    key = fingerprint(examples.paths(), subject.identity, str(examples.classes))
    return RanksFile(state / f"{key}.npz")


def forget(subjects: Sequence[Subject], examples: Examples, state: Path) -> None:
    """Remove what `evaluate` kept."""
    for subject in subjects:
        ranks_file(subject, examples, state).remove()
