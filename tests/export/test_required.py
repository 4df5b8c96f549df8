"""A check that must be made fails where it is skipped, or was never asked for."""

import pytest

from export.checks import CHECKS
from export.gate.examine import Wish
from export.required import NAMES, known_checks, require
from export.results import Check, Status, Verdict, verdict_of

ENGINE = Check("engine", Status.SKIPPED, note="needs a GPU")
PARITY = Check("parity", Status.PASSED, measured=0.0, allowed=1.0, unit="std")


def test_the_names_are_those_of_every_check():
    made = [check.__name__.replace("_", "-") for check in CHECKS]
    assert ("hashes", *made, "power") == NAMES


def test_a_required_check_that_was_skipped_fails_and_says_why_it_was():
    checks = require([PARITY, ENGINE], ["engine"])
    assert checks[0] == PARITY
    assert (checks[1].name, checks[1].status) == ("engine", Status.FAILED)
    assert checks[1].note == "required, but skipped: needs a GPU"
    assert checks[1].details["reason"] == "required"
    assert verdict_of(checks) is Verdict.NOT_VERIFIED


def test_what_is_not_required_may_be_skipped():
    assert require([PARITY, ENGINE], []) == (PARITY, ENGINE)
    assert require([PARITY, ENGINE], ["parity"]) == (PARITY, ENGINE)
    assert verdict_of((PARITY, ENGINE)) is Verdict.EXCEPT_ENGINE


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("engine", "required, but this format has no such check"),
        ("hashes", "required, but tools/verify.py compares hashes, unless --ignore-hash is given"),
        ("power", "required, but it is made with --strict"),
    ],
)
def test_a_required_check_that_was_not_made_fails(name, why):
    (*_, added) = require([PARITY], [name])
    assert (added.name, added.status, added.note) == (name, Status.FAILED, why)


def test_names_are_found_in_whatever_case_and_a_near_miss_is_told():
    assert known_checks(["Engine", "engine"]) == ("engine",)
    with pytest.raises(ValueError, match="no check is called 'engin'; did you mean engine"):
        known_checks(["engin"])
    with pytest.raises(ValueError, match="known are hashes, params, weights"):
        Wish(require=("nothing",))
