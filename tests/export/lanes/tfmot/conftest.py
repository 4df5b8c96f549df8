"""The lane's scripts, asked piece by piece in one process."""

from pathlib import Path

import pytest
from kept_lane import kept_lane

from export.lanes import make
from export.process import child_of_script

SCRIPT = Path(__file__).parents[3] / "standin" / "in_tfmot.py"


@pytest.fixture(scope="session")
def in_tfmot(tmp_path_factory):
    """A function (what to ask, arrays, options) -> the answer and the arrays of in_tfmot.py."""
    lane = make("tfmot")

    def ask(piece, arrays, **options):
        job = {"home": str(lane.home), "ask": piece, "options": options}
        answer, made = child.ask(job, arrays)
        assert answer.pop("error") == ""
        return answer, made

    with child_of_script(lane.python, SCRIPT, tmp_path_factory.mktemp("tfmot")) as child:
        yield ask


@pytest.fixture(scope="module", name="kept_lane")
def keep(tmp_path_factory):
    """The lane started once for all tests that ask for this."""
    with kept_lane(tmp_path_factory.mktemp("lane")):
        yield
