"""What a report says of itself."""

import pytest

from export.results import Check, Cost, Report, Status, Verdict, find

PASSED, FAILED = Check("parity", Status.PASSED), Check("weights", Status.FAILED)
SKIPPED = Check("engine", Status.SKIPPED, note="needs a GPU")


def report(*checks) -> Report:
    return Report(
        model="toy", format="onnx", checks=checks, weights={}, artifact={}, options={},
        cost=Cost(1, 1, 1), environment={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("checks", "passed", "verdict"),
    [
        ((PASSED,), True, Verdict.VERIFIED),
        ((PASSED, SKIPPED), True, Verdict.EXCEPT_ENGINE),
        ((PASSED, FAILED, SKIPPED), False, Verdict.NOT_VERIFIED),
    ],
)
def test_one_failed_check_fails_the_artifact_and_a_skipped_engine_is_said(checks, passed, verdict):
    assert (report(*checks).passed, report(*checks).verdict) == (passed, verdict)


def test_a_check_is_found_by_its_name_and_one_that_was_not_made_is_none():
    assert find([PASSED, FAILED], "weights") is FAILED
    assert report(PASSED).check("parity") is PASSED
    assert report(PASSED).check("power") is None and find([], "parity") is None
