"""The whole gate on a TF-TRT artifact, whose engine a stand-in runs."""

import pytest

from export.checks import Case, Expected
from export.formats import FORMATS
from export.gate import examine as gate
from export.observe.engine import Batches, EngineRun
from export.results import Status, Verdict, verdict_of

pytestmark = pytest.mark.lane
UNKNOWN = Expected.unknown("a toy is in no catalog")


@pytest.fixture
def examine(here, written, reference, tmp_path, monkeypatch):
    """A function from what the engine did, as a function of the sizes, to every check."""

    def run(engine):
        def asked(_format, _folder, images, sizes):
            assert images is reference("plain").inputs
            return engine(sizes)

        monkeypatch.setattr(gate, "run_engine", asked)
        case = Case(
            format=FORMATS["tftrt-fp16"],
            reference=reference("plain"),
            expected=UNKNOWN,
            batch_sizes=(8, 1, 4),
        )
        return gate.examine(case, written("plain", "tftrt-fp16"), tmp_path)

    return run


def test_an_engine_that_ran_for_every_size_makes_the_artifact_verified(examine, reference):
    logits = reference("plain").outputs["logits"]
    held = {"TRTEngineOp_000_000": [1, 4, 8]}

    def batches(size):
        return Batches(size=size, outputs={"logits": logits}, engines=held, seconds=1.0)

    def ran(sizes):
        assert list(sizes) == [1, 4, 8], "each gets an engine of its own"
        return EngineRun(batches=tuple(map(batches, sizes)))

    checks = examine(ran)
    assert verdict_of(checks) is Verdict.VERIFIED
    (engine,) = (check for check in checks if check.name == "engine")
    assert engine.status is Status.PASSED


def test_an_engine_that_fell_back_makes_the_artifact_not_verified(examine):
    fell = "it failed in batches of 4: User disallowed engine native segment execution"
    checks = examine(lambda _: EngineRun(failed=fell))
    assert verdict_of(checks) is Verdict.NOT_VERIFIED
    assert {check.name for check in checks if check.status is Status.FAILED} == {"engine"}


def test_an_engine_that_cannot_be_asked_is_the_exception_of_the_verdict(examine):
    checks = examine(lambda _: EngineRun(unable="needs a GPU"))
    assert verdict_of(checks) is Verdict.EXCEPT_ENGINE
