"""Facts of a benchmark's records, also of those that somebody else wrote."""

import pytest
from speed_records import MACHINE, record, records

from export.html.records import benchmark


def test_machines_are_numbered_and_told_apart_in_figures_only_where_there_are_several():
    first, other = record(), record(machine=MACHINE | {"cpu": "another"})
    alone = benchmark([first])
    assert alone.way(alone.speeds[0]) == "onnx in onnxruntime"
    both = benchmark([first, other, first])
    assert [speed.machine for speed in both.speeds] == [1, 2, 1]
    assert both.way(both.speeds[1]) == "onnx in onnxruntime, machine 2"
    assert both.machines[1]["processor"] == "another" and both.machines[1]["memory"] == "24.00 GB"


def test_speeds_are_grouped_by_model():
    found = benchmark(records())
    assert {model: len(speeds) for model, speeds in found.models.items()} == {
        "alexnet": 12,
        "vgg13": 12,
    }


@pytest.mark.parametrize("odd", [None, "7", -1, float("nan"), [], True, 10**400])
def test_what_is_no_number_is_left_out(odd):
    (speed,) = benchmark([record(median_ms=odd, machine=odd, valid=odd)]).speeds
    assert speed.median_ms is None
    assert speed.valid is (odd is True)
