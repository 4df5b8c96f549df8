"""The formats that a command line asks for."""

import pytest

from export.commandline.formats import wanted_formats
from export.errors import MissingLane
from export.formats import find_format


def test_all_leaves_out_what_has_no_lane_here_and_says_so(capsys, monkeypatch):
    def refuse(lanes):
        if any(lanes):
            raise MissingLane("the lane tf217 cannot exist here: no; do so")

    monkeypatch.setattr("export.lanes.check_lanes", refuse)
    wanted = wanted_formats(["all"], calibrated=True)
    assert "onnx" in wanted and not any(find_format(name).lane for name in wanted)
    assert capsys.readouterr().err.count("left out: the lane tf217 cannot exist here") == 1


def test_what_is_asked_for_by_its_name_stays(monkeypatch):
    monkeypatch.setattr("export.lanes.check_lanes", lambda lanes: pytest.fail("asked later"))
    assert wanted_formats(["tftrt-fp16", "ONNX"], calibrated=False) == ["tftrt-fp16", "onnx"]
