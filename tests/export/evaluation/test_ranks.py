"""Best classes of each picture: what they are, and how they outlive the process."""

import numpy as np
import pytest

from export.evaluation.ranks import (
    BROKEN,
    NOTHING,
    UNDONE,
    Ranks,
    RanksFile,
    best_classes,
    fingerprint,
)


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


def test_what_a_kill_left_of_ranks_is_removed_by_the_next_run(tmp_path):
    path = tmp_path / "ranks.npz"
    for name in (".ranks.npz.a1b2c3d4.partial", ".other.npz.a1b2c3d4.partial"):
        (tmp_path / name).write_bytes(b"half")
    RanksFile(path).save(Ranks(3, 2), now=True)
    names = sorted(found.name for found in tmp_path.iterdir())
    assert names == [".other.npz.a1b2c3d4.partial", "ranks.npz"]
    assert RanksFile(path).load(3, 2).best.shape == (3, 2)


def test_the_largest_logits_come_first_and_the_lower_class_wins_a_tie():
    logits = np.array([[0, 3, 1, 2, 9, 4, 5], [1, 1, 1, 1, 1, 1, 1]], np.float32)
    assert best_classes(logits).tolist() == [[4, 6, 5, 1, 3], [0, 1, 2, 3, 4]]


def test_fewer_classes_than_five_are_all_ranked():
    assert best_classes(np.array([[1, 5, 3]], np.float32)).tolist() == [[1, 2, 0]]


def test_a_nan_makes_no_class_best_and_infinity_does():
    logits = np.array([[1, np.nan, 3], [1, np.inf, 3]], np.float32)
    assert best_classes(logits).tolist() == [[NOTHING] * 3, [1, 2, 0]]
