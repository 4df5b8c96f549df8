"""Axes of figures: no two ticks of one have the same label."""

import pytest
from matplotlib.figure import Figure

from export.html.figures.axes import log_axis


@pytest.mark.parametrize(
    ("low", "high"), [(3.7e-6, 6.6e-6), (0.9, 3.1), (8e-6, 2e-5), (1e-6, 9e-6), (1e-8, 1e3)]
)
def test_ticks_of_an_axis_differ(low, high):
    axis = Figure().subplots().yaxis
    axis.axes.set_yscale("log")
    axis.axes.set_ylim(low, high)
    log_axis(axis, "error")
    ticks = [place for place in axis.get_major_locator()() if low <= place <= high]
    labels = axis.get_major_formatter().format_ticks(ticks)
    assert len(labels) >= 2
    assert len(set(labels)) == len(labels)
