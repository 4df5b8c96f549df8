"""The page of a benchmark."""

import pytest
from speed_records import MACHINE, record, records

from export.html.speed import render


def test_doubts_and_what_was_not_measured_are_said():
    shown = render(records(), ("python", "tools/benchmark.py", "exports/vgg13"))
    assert "2 models on 1 machine" in shown and "18 figures, 1 of them in doubt" in shown
    assert shown.count("needs a GPU") == 6 and "unstable: medians of 3 rounds" in shown
    assert "python tools/benchmark.py exports/vgg13" in shown
    assert shown.count("<svg") == 1 + 2 * 3


def test_whatever_records_hold_is_escaped():
    evil = "<script>alert(1)</script>"
    shown = render([record(model="vgg13", why=evil, machine=MACHINE | {"cpu": evil}) | {
        "model": evil, "format": evil, "runtime": evil}])  # fmt: skip
    assert evil not in shown and "&lt;script&gt;alert" in shown


@pytest.mark.parametrize("content", [[], [{"model": "m"}], [{"model": "m", "batch": 0}]])
def test_records_without_figures_make_a_page_without_drawings(content):
    shown = render(content)
    assert "0 figures" in shown and "<svg" not in shown


@pytest.mark.parametrize("ms", [1e-300, 1e300, 5])
def test_figures_of_any_size_are_drawn(ms):
    shown = render([record(median_ms=ms, bytes=1, load_s=ms), record(batch=10**9, median_ms=ms)])
    assert shown.count("<svg") == 4


def test_columns_of_a_card_are_there_where_a_record_has_one():
    gpu = {"sm_mhz": 1500, "joules_per_image": 0.25}
    assert "1500 MHz" in render([record(gpu=gpu)]) and "Joules an image" in render(
        [record(gpu=gpu)]
    )
    assert "lowest clock" not in render([record()]) and "Joules" not in render([record()])
