"""Evaluating with small stand-ins for networks, in real processes: resuming, breaking, dying."""

import json
from pathlib import Path

import pytest
from number_network import COUNT, Silence, make_examples, refuse, subject, subject_of

from export.evaluation.local import Local
from export.evaluation.ranks import BROKEN
from export.evaluation.run import evaluate, forget


@pytest.fixture
def examples(tmp_path):
    return make_examples(tmp_path / "pictures")


@pytest.fixture
def run(tmp_path, examples):
    def run(*subjects, **options):
        engine = Local(options.pop("workers", 0))
        options = {"batch": 5, "progress": Silence()} | options
        return list(evaluate(subjects, examples, engine, state=tmp_path / "state", **options))

    return run


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


def test_a_batch_of_nothing_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="a batch is at least 1"):
        run(subject(tmp_path / "log"), batch=0)
