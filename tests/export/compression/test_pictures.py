"""Labelled pictures as lessons."""

import numpy as np
import pytest

from export.compression.pictures import Reading, lessons_of
from export.evaluation.examples import Example, Examples


def reading():
    def read(side):
        return lambda path: np.full((side, side, 3), int(path.stem), np.uint8)

    return Reading(wide=read(10), wide_side=10, exact=read(8), exact_side=8)


def examples(tmp_path, *labels):
    items = tuple(Example(f"{label}/{index}.png", label) for index, label in enumerate(labels))
    return Examples(folder=tmp_path, items=items, classes=2)


def test_every_fifth_of_a_class_is_held_out(tmp_path):
    lessons = lessons_of(examples(tmp_path, *[0] * 6, *[1] * 3), None, reading(), mean=(0.5,))
    assert lessons.held_out.labels.tolist() == [0, 0, 1]
    assert lessons.train.labels.tolist() == [0, 0, 0, 0, 1, 1]
    lessons.train.images.write_to(tmp_path / "train.npy")
    lessons.held_out.images.write_to(tmp_path / "held.npy")
    train, held = np.load(tmp_path / "train.npy"), np.load(tmp_path / "held.npy")
    assert (train.shape, held.shape) == ((6, 10, 10, 3), (3, 8, 8, 3))
    assert train[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 7, 8]
    assert held[:, 0, 0, 0].tolist() == [0, 5, 6]
    assert lessons.mean == (0.5,)
    lessons.check((8, 8, 3), 2)


def test_others_are_held_out_where_they_are_named(tmp_path):
    lessons = lessons_of(examples(tmp_path, 0, 1), examples(tmp_path, 1), reading())
    assert lessons.train.labels.tolist() == [0, 1]
    assert lessons.held_out.labels.tolist() == [1]


def test_pictures_that_would_all_be_held_out_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has 2 pictures, and some have to be held out; name"):
        lessons_of(examples(tmp_path, 0, 1), None, reading())
