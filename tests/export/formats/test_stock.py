"""The converter's own way: taken where a stand-in is lost and memory allows, and told."""

import pytest

from export.errors import ExportError, PourError
from export.formats.stock import pour_or_stock


def lose():
    raise PourError("the converter lost conv/kernel")


def never():
    pytest.fail("the weights were poured, so the converter's own way is not wanted")


def test_poured_weights_need_no_other_way():
    assert pour_or_stock(lambda: None, never, weight_bytes=1, factor=90).stock == ""


def test_a_lost_stand_in_leads_to_the_converter_s_own_way_with_the_reason():
    done = []
    written = pour_or_stock(lose, lambda: done.append(1), weight_bytes=1000, factor=90)
    assert (done, written.stock) == ([1], "the converter lost conv/kernel")


def test_what_does_not_fit_into_memory_is_refused_with_the_reason_and_figures():
    with pytest.raises(PourError) as told:
        pour_or_stock(lose, never, weight_bytes=10**12, factor=90)
    assert str(told.value).startswith(
        "the converter lost conv/kernel; the converter's own way takes about 90001 GB and "
    )
    assert "\n" not in str(told.value)


def test_other_errors_are_no_reason_to_take_it():
    def break_down():
        raise ExportError("the lane is gone")

    with pytest.raises(ExportError, match="the lane is gone"):
        pour_or_stock(break_down, never, weight_bytes=1, factor=1)
