"""Work that is killed before each thing it does to files: nothing half, orphaned or lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).parents[1] / "standin"
QUICK = ["Place", "PlaceWithoutExchange", "PlaceOnOverlay", "FileWhole", "LaneFresh", "RanksKept"]
THOROUGH = [
    "LaneDamaged",
    "BundleFirst",
    "BundleOnnx",
    "BundleSecond",
    "Promote",
    "ConvertNpz",
    "ConvertSafetensors",
    "ConvertKeras",
    "Download",
]
SCENARIOS = QUICK + [pytest.param(name, marks=pytest.mark.slow) for name in THOROUGH]


def kill(folder: Path, scenario: str, moments: int = 0) -> dict:
    """`python tests/standin/killing.py kill_scenarios:Place some/folder` does the same by hand."""
    done = subprocess.run(
        [
            sys.executable,
            str(STANDIN / "killing.py"),
            f"kill_scenarios:{scenario}",
            str(folder / "work"),
            str(moments),
        ],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_work_that_is_killed_before_any_event_leaves_nothing_half(tmp_path, scenario):
    found = kill(tmp_path, scenario)
    assert found["wrong"] == []
    assert found["killed"] == found["events"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["Place", "PlaceWithoutExchange", "FileWhole"])
def test_work_that_is_killed_at_any_moment_leaves_nothing_half(tmp_path, scenario):
    found = kill(tmp_path, scenario, moments=1000)
    assert found["wrong"] == []
    assert found["killed"] == 1000
