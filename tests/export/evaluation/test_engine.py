"""The seam of engines: whatever answers, wherever and in whatever order, is evaluated alike."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError
from export.evaluation.engine import Answer
from export.evaluation.examples import Example, Examples
from export.evaluation.run import evaluate
from export.evaluation.subjects import Subject


class Backwards:
    """An engine in this process that answers the last pictures first; it ends as it is told to."""

    def __init__(self, fails: bool = False):
        self.fails, self.open, self.ended = fails, False, []

    def __enter__(self):
        self.open = True
        return self

    def __exit__(self, *_):
        self.open = False

    def answers(self, subject, paths, classes, batch):
        assert self.open
        try:
            yield Answer(ran="backwards")
            for end in range(len(paths), 0, -batch):
                places = list(range(max(0, end - batch), end))
                broken = {n: "cut short" for n in places if paths[n].name == "2"}
                places = [n for n in places if n not in broken]
                best = np.stack([subject.read(paths[n]) for n in places])
                yield Answer(ran="backwards", places=places, best=best, broken=broken)
                if self.fails:
                    raise ExportError("the cluster is gone")
        finally:
            self.ended.append(subject.name)


class Counting:
    def __init__(self):
        self.done = 0

    def start(self, name, done, total):
        self.done = done

    def advance(self, count):
        self.done += count


def read(path: Path) -> np.ndarray:
    return (int(path.name) + np.arange(3, dtype=np.int32)) % 3


@pytest.fixture
def examples(tmp_path):
    for number in range(7):
        (tmp_path / str(number)).touch()
    items = tuple(Example(str(number), number % 3) for number in range(7))
    return Examples(folder=tmp_path, items=items, classes=3)


@pytest.fixture
def run(examples, tmp_path):
    subject = Subject(name="net/a", group="net", identity="a", load=None, read=read)
    return partial(evaluate, [subject], examples, state=tmp_path / "state", batch=3)


def test_answers_go_to_their_pictures_in_whatever_order_they_come(run):
    engine, shown = Backwards(), Counting()
    (outcome,) = run(engine, progress=shown)
    assert outcome.ranks.best[:, 0].tolist() == [0, 1, -2, 0, 1, 2, 0]
    assert outcome.ranks.broken == {2: "cut short"}
    assert (outcome.ran, outcome.looked_at, shown.done) == ("backwards", 7, 7)
    assert engine.ended == ["net/a"] and not engine.open


def test_what_an_engine_answered_before_it_failed_is_kept(run):
    (failed,) = run(Backwards(fails=True), progress=Counting())
    assert failed.error == "the cluster is gone"
    shown = Counting()
    (outcome,) = run(Backwards(), progress=shown, resume=True)
    assert (outcome.looked_at, shown.done) == (4, 7)
