"""Reading reports of every age, and of every kind of damage."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_content import content, plain

from export.html.facts import FAILED, facts

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_a_report_without_details_has_its_checks():
    known = facts(plain())
    assert [row.name for row in known.rows][:3] == ["params", "weights", "contract"]
    assert known.passed
    assert known.parity.room == pytest.approx(1e-4 / 3.8e-6)
    assert known.parity.noise is known.parity.bug is known.parity.power is None


def test_details_are_read():
    parity = facts(content()).parity
    assert parity.noise == 1.25e-5
    assert (parity.bug.name, parity.bug.size) == ("one bias off by 1 %", 3.1e-3)
    assert (parity.power.caught, parity.power.of) == (2, 3)
    assert parity.power.missed == ("6-bit weights",)
    assert len(parity.errors.counts) == 24
    assert [mutant.fate for mutant in parity.mutants] == [
        "caught by parity, weights",
        "caught by parity",
        "not caught",
        "no batch-norm here",
    ]
    assert parity.layers[0].words == {"tensor": "conv1_1/BiasAdd:0"}


def test_facts_may_stand_beside_the_numbers_too():
    told = plain()
    told["checks"][3]["noise"] = 2e-6
    assert facts(told).parity.noise == 2e-6


def test_a_failed_check_outweighs_what_the_report_says_of_itself():
    told = content(passed=False)
    told["passed"] = True
    assert not facts(told).passed


@pytest.mark.parametrize("checks", [[], None, "all passed"])
def test_a_report_without_checks_has_not_passed(checks):
    assert not facts({**content(), "checks": checks}).passed


def test_an_unknown_status_counts_as_failed():
    told = content()
    told["checks"][0]["status"] = "fine"
    assert facts(told).rows[0].status == FAILED
    assert not facts(told).passed


@pytest.mark.parametrize(
    "spoil",
    [
        {"edges": [1, 2]},
        {"edges": list(range(25, 0, -1))},
        {"edges": [0, *range(1, 25)]},
        {"counts": ["many"] * 24},
        {"counts": [-1] * 24},
        {"counts": []},
    ],
)
def test_a_histogram_that_makes_no_sense_is_left_out(spoil):
    told = content()
    told["checks"][3]["details"]["errors"] |= spoil
    assert facts(told).parity.errors is None


@pytest.mark.parametrize(
    "measured, allowed, scaled, lost",
    [
        (1e-6, 1e-4, True, False),
        (0.0, 1e-4, True, False),
        (None, 1e-4, True, True),
        (float("inf"), 1e-4, True, True),
        (float("nan"), 1e-4, True, True),
        (None, 3, False, False),
        (1, 3, False, False),
        (None, None, False, False),
    ],
)
def test_infinite_values_and_missing_ones_are_kept_apart(measured, allowed, scaled, lost):
    told = plain()
    told["checks"][3] |= {"measured": measured, "allowed": allowed}
    row = facts(told).parity
    assert (row.scaled, row.lost) == (scaled, lost)
    assert (row.status == FAILED) == lost


def test_control_characters_are_replaced():
    assert facts({**content(), "model": "a\0b\nc\ud800"}).model == "a\ufffdb c\ufffd"


def places(value, way=()):
    """The way to everything within a JSON value, of long lists to a few entries only."""
    if way:
        yield way
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*way, key))
    if isinstance(value, list):
        for index in {0, 3, len(value) - 1} & set(range(len(value))):
            yield from places(value[index], (*way, index))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(places(content()))), JUNK)
def test_no_value_in_any_place_raises(way, junk):
    told = copy.deepcopy(content())
    holder = told
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = junk
    known = facts(told)
    json.dumps([row.name for row in known.rows])
