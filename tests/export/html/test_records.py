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


GPU = {"sm_mhz": 1500, "most_sm_mhz": 1980, "temperature_c": 61, "peak_bytes": 2_000_000_000}


def test_a_card_and_its_energy_are_told_where_a_record_has_them():
    of_card = record(gpu={**GPU, "joules_per_image": 0.25}, joules_per_image=0.5)
    found = benchmark([of_card, record(gpu={"sm_mhz": "fast"})])
    one, other = found.speeds
    assert (one.joules, one.card) == (0.75, "1500 MHz of 1980, 61 °C, 2.00 GB")
    assert (other.joules, other.card) == (None, "")
    assert found.tells_energy and found.tells_cards
    assert not benchmark([record()]).tells_cards and not benchmark([record()]).tells_energy
