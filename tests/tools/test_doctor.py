"""The command line of doctor."""

import json

import pytest

from export.errors import MissingLane
from export.lanes import LANES, State
from tools import doctor


@pytest.fixture(autouse=True)
def no_lanes(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))


def findings(capsys, *arguments):
    assert doctor.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_tells_machine_packages_and_lanes_as_json(capsys, tmp_path):
    found = findings(capsys)
    assert list(found) == ["machine", "packages", "lanes", "leftovers"]
    assert found["machine"]["lanes_folder"] == str(tmp_path / "lanes")
    assert found["packages"]["onnx"]
    assert [lane["name"] for lane in found["lanes"]] == list(LANES)
    assert all(lane["status"] in ("ready", "possible", "impossible") for lane in found["lanes"])
    assert not (tmp_path / "lanes").exists(), "looking makes nothing"


def test_a_lane_that_is_impossible_is_shown_with_what_to_do(capsys, monkeypatch):
    state = State(LANES["tf217"], "impossible", "it needs Linux x86-64", "export on such a machine")
    monkeypatch.setattr("export.commandline.doctor.find_lane", lambda name: state)
    assert doctor.main([]) == 0
    told = capsys.readouterr().out
    assert "impossible" in told
    assert "it needs Linux x86-64" in told
    assert "what to do: export on such a machine" in told


def test_lanes_that_nothing_of_ours_uses_are_shown_with_their_size(capsys, tmp_path):
    left = tmp_path / "lanes" / "tf217-0123456789ab" / "lib"
    left.mkdir(parents=True)
    (left / "package").write_bytes(bytes(1_500_000))
    (tmp_path / "lanes" / "notes").mkdir()
    assert findings(capsys)["leftovers"] == [{"folder": str(left.parent), "bytes": 1_500_000}]
    assert doctor.main([]) == 0
    told = capsys.readouterr().out
    assert f"{left.parent} has 1.5 MB that this version of the toolkit does not use" in told
    assert f"rm -r {left.parent}" in told


def test_a_folder_with_brackets_is_shown_as_it_is(capsys, monkeypatch):
    monkeypatch.setenv("KERAS_NETS_LANES", "/lanes[/b]here")
    assert doctor.main([]) == 0
    assert "/lanes[/b]here" in capsys.readouterr().out


def test_a_package_that_is_missing_is_shown_as_missing(capsys, monkeypatch):
    monkeypatch.setattr("export.commandline.doctor.PACKAGES", ("onnx", "no-such-package"))
    assert findings(capsys)["packages"]["no-such-package"] is None
    assert doctor.main([]) == 0
    assert "missing" in capsys.readouterr().out


def test_lanes_are_made_when_asked(capsys, monkeypatch):
    made = []
    monkeypatch.setattr("export.lanes.make", lambda name, progress: made.append(name))
    findings(capsys, "--make-lanes")
    assert made == list(LANES)


def test_a_lane_that_cannot_be_made_exits_with_2(capfd, monkeypatch):
    def fail(name, progress):
        raise MissingLane(f"the lane {name} could not be made: ERROR: no network")

    monkeypatch.setattr("export.lanes.make", fail)
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--make-lanes"])
    assert ended.value.code == 2
    error = "error: the lane tf217 could not be made: ERROR: no network"
    assert capfd.readouterr().err.splitlines()[-1] == error


def test_an_interrupt_exits_with_130(capfd, monkeypatch):
    def interrupt(name, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr("export.lanes.make", interrupt)
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--make-lanes"])
    assert ended.value.code == 130
