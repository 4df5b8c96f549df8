"""A new lane is a folder and a word in the registry."""

import sys

import pytest

from export.lanes import LANES, find_lane, leftovers, registry, run_in_lane
from export.process import ChildFailed

INIT = """
from pathlib import Path
from export.lanes.lane import Lane

LANE = Lane(
    home=Path(__file__).parent,
    purpose="double numbers",
    machines=({machine!r},),
    pythons=({python!r},),
    probe="import json",
    download_mb=1,
    disk_mb=1,
    minutes=1,
)
"""
DOUBLE = """
def work(job, arrays):
    if job["n"] < 0:
        raise ValueError("only from 0 on")
    return {"n": 2 * job["n"]}, {}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The lane of a folder, which has nothing to install, made by this Python."""
    import importlib.util
    import platform

    home = tmp_path / "doubling"
    home.mkdir()
    machine = f"{platform.system()} {platform.machine()}"
    (home / "__init__.py").write_text(INIT.format(machine=machine, python=sys.version_info[:2]))
    (home / "pins.txt").write_text("--no-index\n")
    (home / "double.py").write_text(DOUBLE)
    spec = importlib.util.spec_from_file_location("doubling", home / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "lanes"))
    monkeypatch.setitem(LANES, "doubling", module.LANE)
    return module.LANE


def test_a_lane_is_a_folder_and_a_line(toy, tmp_path):
    assert find_lane("doubling").status == "possible"
    assert run_in_lane("doubling", "double.py", {"n": 21}, {}, tmp_path)[0]["n"] == 42
    assert find_lane("doubling").status == "ready"
    assert toy.folder.name == f"doubling-{toy.digest[:12]}"
    with pytest.raises(ChildFailed, match="^the doubling failed: ValueError: only from 0 on$"):
        run_in_lane("doubling", "double.py", {"n": -1}, {}, tmp_path, about="the doubling")
    assert leftovers() == []
    (toy.folder.parent / "doubling-0123456789ab").mkdir()
    assert [path.name for path in leftovers()] == ["doubling-0123456789ab"]


@pytest.mark.parametrize("machine", ["Linux aarch64", "Darwin arm64"])
def test_where_a_lane_runs_is_its_own_matter(toy, monkeypatch, machine):
    system, processor = machine.split()
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: processor)
    state = find_lane("doubling")
    assert state.status == "impossible"
    assert state.why.endswith(f"and this is {machine}")


def test_every_lane_is_named_once():
    assert len(registry.LANES) == len(registry.ALL)
