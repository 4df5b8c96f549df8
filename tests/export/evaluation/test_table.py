"""What was found, as one document and as a table."""

from pathlib import Path

import pytest

from export.evaluation.examples import Example, Examples
from export.evaluation.ranks import NOTHING, Ranks
from export.evaluation.run import Outcome
from export.evaluation.subjects import Subject
from export.evaluation.table import as_table, summary


def outcome(name, best, group="a", published=None, **options):
    ranks = Ranks(len(best), 2)
    ranks.best[:] = best
    return Outcome(subject=subject(name, group, published), ranks=ranks, **options)


def subject(name, group="a", published=None):
    return Subject(name=name, group=group, identity=name, load=None, read=None, published=published)


EXAMPLES = Examples(
    folder=Path("digits"),
    items=tuple(Example(f"{i % 2}/{i}.png", i % 2) for i in range(4)),
    classes=2,
    unlabelled=7,
)
RIGHT = [[0, 1], [1, 0], [0, 1], [1, 0]]
ONE_WRONG = [[0, 1], [1, 0], [1, 0], [1, 0]]


def test_networks_of_a_group_are_compared_with_its_first_that_ran():
    failed = Outcome(subject=subject("net/keras"), error="no weights")
    document = summary(
        EXAMPLES,
        [failed, outcome("net/onnx", RIGHT), outcome("net/tf", ONE_WRONG),
         outcome("other/onnx", ONE_WRONG, group="b")],
    )  # fmt: skip
    keras, onnx, tf, other = document["networks"]
    assert (keras["name"], keras["error"], keras["ran"]) == ("net/keras", "no weights", None)
    assert (onnx["reference"], onnx["agreement"], onnx["top1"]) == (None, None, 1.0)
    assert (tf["reference"], tf["agreement"], tf["top1"]) == ("net/onnx", 0.75, 0.75)
    assert other["reference"] is None


def test_the_document_lists_broken_pictures_and_the_difference_to_the_page():
    found = outcome("net/onnx", ONE_WRONG, published=(0.6, 0.9), seconds=2.0, looked_at=4)
    found.ranks.give_up(3, "cut short")
    document = summary(EXAMPLES, [found])
    assert document["images"]["broken"] == [{"picture": "1/3.png", "reason": "cut short"}]
    network = document["networks"][0]
    assert network["pictures"] == 3 and network["pictures_per_s"] == 2.0
    assert network["to_published"] == {"top1": pytest.approx(0.066667), "top5": 0.1}


def test_the_table_reads_as_a_person_would_write_it():
    failed = Outcome(subject=subject("net/tftrt-fp16"), error="no lane here")
    keras = outcome("net/keras", RIGHT, published=(0.6, 0.9), seconds=2.0, looked_at=4)
    keras.ranks.give_up(3, "cut short")
    onnx = outcome("net/onnx", ONE_WRONG, ran="ONNX Runtime on the CPU")
    onnx.ranks.best[1] = NOTHING
    text = as_table(summary(EXAMPLES, [keras, onnx, failed]))
    assert text.splitlines() == [
        "4 pictures of 2 classes below digits; 1 broken; 7 without a label",
        "",
        "network                    top-1     top-5   to published  agreement  pictures/s",
        "net/keras       100.00 % ± 28.08  100.00 %  +40.00 +10.00          -         2.0",
        "net/onnx         50.00 % ± 35.00   75.00 %              -    33.33 %           -",
        "net/tftrt-fp16  not run: no lane here",
        "",
        "net/onnx: ran ONNX Runtime on the CPU",
        "net/onnx: logits with a NaN for 1 of the pictures",
    ]
    narrow = as_table(summary(EXAMPLES, [keras, onnx, failed]), 40).splitlines()
    assert all(len(line) <= 40 for line in narrow)
    assert narrow[3:5] == ["net/keras", "  top-1         100.00 % ± 28.08"]
    assert " ".join(text.split()[:13]) == " ".join(" ".join(narrow).split()[:13])
