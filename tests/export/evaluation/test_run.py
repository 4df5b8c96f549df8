"""Evaluating with small stand-ins for networks, in real processes: resuming, breaking, dying."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from export.errors import ExportError
from export.evaluation.examples import Example, Examples
from export.evaluation.local import Local
from export.evaluation.predictor import Predictor, Running
from export.evaluation.progress import Lines, progress
from export.evaluation.ranks import BROKEN, UNDONE, Ranks, RanksFile, fingerprint
from export.evaluation.readers import Readers
from export.evaluation.run import evaluate, forget
from export.evaluation.subjects import Subject

COUNT = 23
ROOT = Path(__file__).parents[3]


class Silence:
    def start(self, name, done, total):
        self.started = (name, done, total)

    def advance(self, count):
        pass


def read(path: Path) -> np.ndarray:
    """A 'picture' is a text file with a number; its pixels are that number."""
    text = path.read_text()
    if not text.isdigit():
        raise ValueError(f"cannot read {path.name!r}")
    if text == "9999":
        os._exit(1)
    return np.full((2, 2, 3), float(text), np.float32)


def load(log: Path, shift: int = 0, fails_on: int = -1, classes: int = 7) -> Running:
    """A network whose logit is largest for the class of the number; keeps a log of batches."""
    print("noise of a runtime", flush=True)  # has to stay out of the table on standard output

    def predict(images):
        numbers = images[:, 0, 0, 0].astype(int)
        with log.open("a") as file:
            file.write(json.dumps(numbers.tolist()) + "\n")
        if fails_on == -2:
            os._exit(3)
        if fails_on in numbers:
            raise RuntimeError("runtime says\n no")
        return np.eye(classes, dtype=np.float32)[(numbers + shift) % classes]

    return Running(predict, "a stand-in")


def refuse() -> Running:
    raise ExportError("this network needs a lane")


@pytest.fixture
def examples(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:02}").write_text(str(number))
    items = tuple(Example(f"{n:02}", n % 7) for n in range(COUNT))
    return Examples(folder=folder, items=items, classes=7)


@pytest.fixture
def run(tmp_path, examples):
    def run(*subjects, **options):
        engine = Local(options.pop("workers", 0))
        options = {"batch": 5, "progress": Silence()} | options
        return list(evaluate(subjects, examples, engine, state=tmp_path / "state", **options))

    return run


def subject(log: Path, name="net/a", **options) -> Subject:
    return subject_of(name, partial(load, log, **options))


def subject_of(name: str, load) -> Subject:
    return Subject(name=name, group="net", identity=name, load=load, read=read)


def seen(log: Path) -> list[int]:
    return sum((json.loads(line) for line in log.read_text().splitlines()), [])


def test_every_picture_is_ranked_once_by_worker_processes(run, tmp_path, capfd):
    (outcome,) = run(subject(tmp_path / "log"), workers=2)
    assert outcome.ranks.best[:, 0].tolist() == [n % 7 for n in range(COUNT)]
    assert seen(tmp_path / "log") == list(range(COUNT))
    assert (outcome.looked_at, outcome.ran, outcome.error) == (COUNT, "a stand-in", "")
    assert "noise" not in "".join(capfd.readouterr())


def test_broken_pictures_are_kept_with_their_reason(run, examples, tmp_path):
    (examples.folder / "03").write_text("no number")
    (outcome,) = run(subject(tmp_path / "log"))
    assert outcome.ranks.broken == {3: "cannot read '03'"}
    assert outcome.ranks.best[3].tolist() == [BROKEN] * 5
    assert (outcome.ranks.best[:, 0] >= 0).sum() == COUNT - 1


def test_pictures_that_are_all_broken_end_the_run_in_peace(run, examples, tmp_path):
    for path in examples.paths():
        path.write_text("no number")
    (outcome,) = run(subject(tmp_path / "log"))
    assert len(outcome.ranks.broken) == COUNT


def test_an_interrupted_evaluation_goes_on_where_it_stopped(run, tmp_path):
    log = tmp_path / "log"
    stops = subject(log, fails_on=12)
    (failed,) = run(stops)
    assert failed.error == "RuntimeError: runtime says no"
    assert seen(log) == list(range(15))  # the batch of 10 to 14 was lost

    shown = Silence()
    (outcome,) = run(subject(log), resume=True, progress=shown)
    assert shown.started == ("net/a", 10, COUNT)
    assert seen(log)[15:] == list(range(10, COUNT))
    assert outcome.ranks.best[:, 0].tolist() == [n % 7 for n in range(COUNT)]
    assert outcome.looked_at == COUNT - 10


def test_without_resume_everything_is_looked_at_again(run, tmp_path):
    run(subject(tmp_path / "log"))
    run(subject(tmp_path / "log"))
    assert seen(tmp_path / "log") == 2 * list(range(COUNT))


def test_nothing_is_taken_up_for_changed_pictures_or_another_network(run, examples, tmp_path):
    log = tmp_path / "log"
    run(subject(log))
    run(subject(log, name="net/b"), resume=True)
    assert len(seen(log)) == 2 * COUNT
    run(subject(log), resume=True)
    assert len(seen(log)) == 2 * COUNT  # taken up whole: the network was not even loaded
    (examples.folder / "05").write_text("123456")
    run(subject(log), resume=True)
    assert len(seen(log)) == 3 * COUNT


def test_forgetting_leaves_no_file(run, examples, tmp_path):
    one = subject(tmp_path / "log")
    run(one)
    assert len(list((tmp_path / "state").iterdir())) == 1
    forget([one], examples, tmp_path / "state")
    assert not list((tmp_path / "state").iterdir())


def test_a_network_that_fails_is_one_line_and_the_next_one_runs(run, tmp_path):
    log = tmp_path / "log"
    outcomes = run(
        subject_of("net/lane", refuse),
        subject(log, name="net/narrow", classes=6),
        subject(log, name="net/dies", fails_on=-2),
        subject(log, name="net/whole"),
    )
    assert [outcome.error for outcome in outcomes[:2]] == [
        "this network needs a lane",
        "logits should be of shape (5, 7). Received: (5, 6)",
    ]
    assert "the process that runs net/dies ended with exit status 3" in outcomes[2].error
    assert "it last said: noise of a runtime" in outcomes[2].error
    assert outcomes[3].ranks is not None and not outcomes[3].error


def test_a_state_that_cannot_be_kept_is_told_before_anything_is_run(run, tmp_path):
    (tmp_path / "state").write_text("a file, no folder")
    (outcome,) = run(subject(tmp_path / "log"))
    assert "name another folder with --state" in outcome.error
    assert str(tmp_path / "state") in outcome.error and "\n" not in outcome.error
    assert not (tmp_path / "log").exists()


def test_a_decoder_that_dies_says_how_to_go_on(run, examples, tmp_path):
    (examples.folder / "07").write_text("9999")
    (outcome,) = run(subject(tmp_path / "log"), workers=1)
    assert "a process that decodes pictures died" in outcome.error


def test_a_killed_evaluation_leaves_no_process_behind(examples, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.export.evaluation import test_run; test_run.run_until_killed(*sys.argv[2:])"
    )
    command = [sys.executable, "-c", code, ROOT, examples.folder, tmp_path / "log"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = running.stdout.readline()
    running.kill()
    processes = [psutil.Process(int(number)) for number in line.split()]
    assert len(processes) == 3  # two workers and the network
    running.communicate(timeout=20)  # returns once nobody holds standard output any more
    gone, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def run_until_killed(folder: str, log: str) -> None:
    """Start two workers and a network, print their numbers, and wait. For another process."""
    with Readers(2) as readers, Predictor("net/a", partial(load, Path(log)), 7):
        paths = sorted(Path(folder).iterdir())
        next(readers.batches(read, paths, 2))
        own = [child for child in psutil.Process().children() if "fork" in str(child.cmdline())]
        print(*(child.pid for child in own), flush=True)
        time.sleep(60)


def test_batches_hold_what_was_asked_for_and_little_is_read_ahead(examples):
    asked = []

    def counting(path):
        asked.append(path)
        return read(path)

    with Readers(0) as readers:
        batches = readers.batches(counting, examples.paths(), 4)
        indexes, images, broken = next(batches)
        assert indexes == [0, 1, 2, 3] and images.shape == (4, 2, 2, 3) and not broken
        assert len(asked) == 4
        sizes = [len(indexes) for indexes, _, _ in batches]
    assert sizes == [4, 4, 4, 4, 3]


def test_settings_that_mean_nothing_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="a batch is at least 1"):
        run(subject(tmp_path / "log"), batch=0)
    with pytest.raises(ValueError, match="workers are 0 or more"):
        Readers(-1)


def test_ranks_come_back_from_their_file(tmp_path):
    file = RanksFile(tmp_path / "a" / "ranks.npz")
    ranks = Ranks(3, 7)
    ranks.answer([0], [[4, 3, 2, 1, 0]])
    ranks.give_up(2, "cut 'short'\u00e9")
    file.save(ranks, now=True)
    back = file.load(3, 7)
    assert back.best.tolist() == [[4, 3, 2, 1, 0], [UNDONE] * 5, [BROKEN] * 5]
    assert back.broken == {2: "cut 'short'\u00e9"} and back.undone().tolist() == [1]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["ranks.npz"]


def test_ranks_are_saved_now_and_then(tmp_path):
    file = RanksFile(tmp_path / "ranks.npz", interval=3600)
    file.save(Ranks(3, 7))
    assert not file.path.exists()
    file = RanksFile(tmp_path / "ranks.npz", interval=0)
    file.save(Ranks(3, 7))
    assert file.path.exists()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 rubbish", "cut", "other count", "classes"])
def test_a_file_of_ranks_that_does_not_fit_counts_for_nothing(tmp_path, damage):
    file = RanksFile(tmp_path / "ranks.npz")
    ranks = Ranks(4 if damage == "other count" else 3, 9)
    ranks.answer([0], [[8, 3, 2, 1, 0]])
    file.save(ranks, now=True)
    if isinstance(damage, bytes):
        file.path.write_bytes(damage)
    elif damage == "cut":
        file.path.write_bytes(file.path.read_bytes()[:150])
    assert (file.load(3, 7).best == UNDONE).all()


def test_a_fingerprint_follows_files_and_facts(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    first = fingerprint([path], "x")
    assert first == fingerprint([path], "x") != fingerprint([path], "y")
    path.write_text("22")
    assert fingerprint([path], "x") != first


def test_without_a_terminal_progress_is_plain_lines(capsys):
    with progress() as shown:
        assert isinstance(shown, Lines)
        shown.start("net/a", 4, 10)
        shown.advance(5)  # too soon for a line
        shown.advance(1)
    assert capsys.readouterr().err == "net/a: 4 of 10\nnet/a: 10 of 10\n"


def test_what_a_kill_left_of_ranks_is_removed_by_the_next_run(tmp_path):
    path = tmp_path / "ranks.npz"
    for name in (".ranks.npz.a1b2c3d4.partial", ".other.npz.a1b2c3d4.partial"):
        (tmp_path / name).write_bytes(b"half")
    RanksFile(path).save(Ranks(3, 2), now=True)
    names = sorted(found.name for found in tmp_path.iterdir())
    assert names == [".other.npz.a1b2c3d4.partial", "ranks.npz"]
    assert RanksFile(path).load(3, 2).best.shape == (3, 2)
