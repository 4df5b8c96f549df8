"""A file is the old one or the new one, and a killed process leaves nothing for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_nets.weights.whole import whole

ROOT = Path(__file__).parents[3]
KILLED = """
import os, sys
from pathlib import Path
from keras_nets.weights.whole import whole
with whole(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), 9)
"""


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "w [1].npz"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert path.read_text() == "old" and len(names(tmp_path)) == 2
    (tmp_path / ".1-other.npz").touch()
    with whole(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert names(tmp_path) == [".1-other.npz", "w [1].npz"]


def test_what_another_process_is_writing_stays(tmp_path):
    theirs = tmp_path / f".{os.getppid()}-w.npz"
    theirs.touch()
    with whole(tmp_path / "w.npz") as unfinished:
        unfinished.write_text("new")
    assert names(tmp_path) == [theirs.name, "w.npz"]


def test_nothing_is_written_through_a_link_that_lies_there(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".{os.getpid()}-w.npz").symlink_to(victim)
    (tmp_path / "w.npz").symlink_to(victim)
    with whole(tmp_path / "w.npz") as unfinished:
        unfinished.write_text("new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "w.npz").read_text() == "new" and not (tmp_path / "w.npz").is_symlink()


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "w.npz"
    path.write_text("old")
    with pytest.raises(ValueError, match="no"), whole(path) as unfinished:
        unfinished.write_text("half")
        raise ValueError("no")
    assert names(tmp_path) == ["w.npz"] and path.read_text() == "old"


def test_the_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        events.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        fsync(handle)

    def replaced(self, target):
        events.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with whole(tmp_path / "w.npz") as unfinished:
        unfinished.write_text("new")
    assert events == [f"sync .{os.getpid()}-w.npz", "replace", f"sync {tmp_path.name}"]
