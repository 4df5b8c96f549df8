"""What checks know of each layer: every name that they use has a heading, and its figure."""

import html
import re
from dataclasses import asdict

import pytest
from report_content import content, ranges

from export.html.facts import facts
from export.html.figures.rows import layers
from export.html.page import render
from export.html.quantities import FIGURES, QUANTITIES

INFINITE = float("inf")


def report(*largest, **changes):
    """A report whose last check, `fp16-range`, saw layers of such `largest` values."""
    told = content()
    told["checks"][-1] = asdict(ranges(*largest, **changes))
    return told


def test_the_names_that_checks_use_are_known():
    used = {
        key
        for check in content()["checks"]
        for layer in check.get("details", {}).get("layers", ())
        for key in layer
    }
    assert used - {"name"} == set(QUANTITIES)
    assert {key for figure in FIGURES for key in figure.keys} <= used


def test_tables_have_headings_for_people():
    page = render(content())
    tables = re.findall(r'<table class="layers">.*?</thead>', page, re.S)
    headings = [html.unescape(re.sub("<.*?>", "", th)) for t in tables for th in t.split("</th>")]
    assert "FP16 error, std" in headings and "Weights subnormal in FP16" in headings
    assert not [heading for heading in headings if "_" in heading]


def test_an_unknown_name_is_made_readable():
    told = content()
    told["checks"][3]["details"]["layers"][0]["bfloat16_error"] = 0.25
    page = render(told)
    assert ">Bfloat16 error</th>" in page and ">0.25</td>" in page


def test_every_quantity_is_drawn():
    (row,) = (row for row in facts(content()).rows if row.name == "fp16-range")
    drawn = {plot.heading: plot for plot in layers(row)}
    assert list(drawn) == [figure.heading for figure in FIGURES[1:]]
    predicted = drawn["Predicted error of each layer"]
    assert "Largest at conv0: 2.0e-03" in predicted.caption
    assert predicted.svg.count("<title>") == 12
    lossy = drawn["Weights that lose precision in FP16"]
    assert "Weights subnormal in FP16 is largest at conv11: 1.1 %" in lossy.caption
    assert "2 of the values are 0, without a dot" in lossy.caption


def test_a_figure_without_a_dot_is_left_out():
    (row,) = (row for row in facts(report(1.0)).rows if row.name == "fp16-range")
    assert "Weights that lose precision in FP16" not in [plot.heading for plot in layers(row)]


@pytest.mark.parametrize("finite", [(), (3.0,)])
def test_a_layer_beyond_every_number_stands_at_the_edge(finite):
    told = report(*finite, INFINITE)
    name = f"conv{len(finite)}"
    (row,) = (row for row in facts(told).rows if row.name == "fp16-range")
    plot = layers(row)[0]
    assert f"At the edge: {name}: no finite value." in plot.caption
    assert f"<title>{name}: no finite value</title>" in plot.svg
    assert '<td class="number">no finite value</td>' in render(told)


def test_a_missing_number_of_a_layer_is_a_dash_in_its_cell():
    told = report(1.0, 2.0)
    del told["checks"][-1]["details"]["layers"][0]["subnormal_weights"]
    assert '<td class="number">–</td>' in render(told)
