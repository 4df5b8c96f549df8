"""Parameters against the catalog's counts."""

import keras
import pytest

from export.checks import Expected
from export.checks.params import params
from export.observe.base import Totals
from export.results import Status
from keras_nets.catalog import NETS


def test_equal_counts_pass_with_all_three_conventions_told(honest):
    check = params(honest())
    assert (check.status, check.measured, check.allowed) == (Status.PASSED, 100, 100)
    assert check.note == "total 120, page's convention 90, after a paper"


@pytest.mark.parametrize(
    ("totals", "note"),
    [
        (Totals(101, 120, 90), "trainable 101 instead of 100"),
        (Totals(100, 1_121, 90), "total 1,121 instead of 120"),
        (Totals(100, 120, 89), "page 89 instead of 90"),
        (Totals(1, 2, 3), "trainable 1 instead of 100; total 2 instead of 120; page 3 instead"),
    ],
)
def test_any_count_that_differs_fails_and_is_told(honest, totals, note):
    check = params(honest(reference={"totals": totals}))
    assert check.status is Status.FAILED
    assert note in check.note


def test_a_model_of_no_catalog_is_skipped_with_the_reason(honest):
    check = params(honest(expected=Expected.unknown("the catalog has no such model")))
    assert (check.status, check.note) == (Status.SKIPPED, "the catalog has no such model")


def test_expected_counts_come_from_any_object_that_has_them():
    assert Expected.of(Totals(1, 2, 3), "a page") == Expected(1, 2, 3, "a page")
    assert "no counts" in Expected.of(None, "a page").source


def test_a_network_of_the_catalog_carries_its_counts():
    model = NETS["squeezenet1_1"].build(classes=10)
    wanted = NETS["squeezenet1_1"].expected_counts("paddle", 10)
    assert Expected.carried_by(model).total == wanted.total == model.count_params()
    assert "flavour paddle" in Expected.carried_by(model).source


def test_a_network_changed_after_it_was_built_is_not_held_against_the_catalog(honest):
    model = NETS["squeezenet1_1"].build(classes=10)
    hidden = keras.Model(model.inputs, model.layers[-2].output)
    assert "no counts" in Expected.carried_by(hidden).source
    frozen = next(layer for layer in model.layers if layer.weights)
    frozen.trainable = False
    expected = Expected.carried_by(model)
    assert "was changed after it was built" in expected.source
    assert params(honest(expected=expected)).status is Status.SKIPPED
    frozen.trainable = True
    assert Expected.carried_by(model).total == model.count_params()
