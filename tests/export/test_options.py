"""What a caller asks for in one row, told apart for who needs it."""

from pathlib import Path

import pytest

from export.gate.examine import GateOptions, Wish
from export.options import Options
from export.report.entries import SEEDED
from keras_nets import prepare


def test_an_order_has_what_a_format_needs_and_no_more():
    options = Options(batch_sizes=(1, 2), labels=("cat", "dog"), recipe="224 pixels")
    order = options.order("a skeleton", Path("artifact"), Path("scratch"))
    assert (order.skeleton, order.folder, order.scratch) == (
        "a skeleton",
        Path("artifact"),
        Path("scratch"),
    )
    assert (order.classify.labels, order.classify.recipe) == (("cat", "dog"), "224 pixels")
    assert order.engines == 2
    assert Options().order(None, Path(), Path()).classify is None


def test_what_is_asked_of_the_gate_has_a_name_of_its_own_and_keeps_the_old_one():
    assert Wish is GateOptions
    assert Options(wish=Wish(strict=True)).gate == GateOptions(strict=True)


def test_the_origin_has_what_goes_into_the_report_as_it_is():
    origin = Options(weights_source="a.pth", flavour="paddle", command=("x",)).origin
    assert (origin.weights_source, origin.flavour, origin.command) == ("a.pth", "paddle", ("x",))


def test_labels_without_a_recipe_are_refused():
    with pytest.raises(ValueError, match="need a recipe"):
        Options(labels=("cat",))


def test_both_packages_call_random_weights_by_the_same_text():
    assert SEEDED == prepare.SEEDED
