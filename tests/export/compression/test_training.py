"""What can be asked of a training, and what it is done on."""

import numpy as np
import pytest

from export.compression.training import Lessons, Pictures, Training


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"optimizer": "lion"}, "optimizers are adam and sgd, not 'lion'"),
        ({"epochs": 0}, "whole numbers from 1 up"),
        ({"rate": 0.0}, "a rate lies between 0 and 1"),
        ({"min_accuracy": 95.0}, "an accuracy lies between 0 and 1. Received: 95.0"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, line):
    with pytest.raises(ValueError, match=line):
        Training(**asked)


def lessons(shape=(2, 8, 8, 3), dtype=np.uint8, labels=(0, 4)):
    pictures = Pictures(np.zeros(shape, dtype), np.array(labels))
    return Lessons(train=pictures, held_out=pictures)


@pytest.mark.parametrize("given", [{}, {"shape": (2, 10, 9, 3)}, {"dtype": np.float32}])
def test_pictures_may_be_larger_than_the_image(given):
    lessons(**given).check((8, 8, 3), 5)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"shape": (2, 7, 8, 3)}, r"train has images \(2, 7, 8, 3\) of uint8 and 2 labels; the"),
        ({"shape": (2, 8, 8, 1)}, "the network takes"),
        ({"shape": (0, 8, 8, 3), "labels": []}, "at least one and a label each"),
        ({"labels": [0]}, "at least one and a label each"),
        ({"dtype": np.float64}, "as uint8 or normalised float32"),
        ({"labels": [0, 5]}, "labels of train go from 0 to 5, and the network's 5 classes from 0"),
        ({"labels": [-1, 2]}, "labels of train go from -1 to 2"),
        ({"labels": [0.5, 1]}, "labels of train go from 0.5"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(given, line):
    with pytest.raises(ValueError, match=line):
        lessons(**given).check((8, 8, 3), 5)
