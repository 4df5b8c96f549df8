"""Artifacts in their place: whole at any moment, whoever is killed, whatever the system lacks."""

import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from export import place
from export.errors import ExportError
from export.place import staged

ROOT = Path(__file__).parents[2]
FILES = 12

# Publishes artifacts of FILES files for ever; all files of one artifact hold the same number.
PUBLISHER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export.place import staged
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    with staged(Path(sys.argv[1]), "toy", "onnx") as place:
        for index in range({FILES}):
            (place.stage / f"file{{index}}").write_text(str(number))
        (place.scratch / "spare").write_text("spare")
        place.publish()
    number += 1
"""


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    """Locks of this test alone, in its children too."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


def publish(out: Path, text: str, model="toy", format="onnx") -> Path:
    with staged(out, model, format) as there:
        (there.stage / "file").write_text(text)
        return there.publish()


def read_whole(goal: Path) -> set[str]:
    """The contents of an artifact's files, all read through one handle of its folder."""
    handle = os.open(goal, os.O_RDONLY | os.O_DIRECTORY)
    try:
        held = set()
        for index in range(FILES):
            file = os.open(f"file{index}", os.O_RDONLY, dir_fd=handle)
            held.add(os.read(file, 99).decode())
            os.close(file)
        return held
    finally:
        os.close(handle)


def test_a_first_artifact_and_the_next_one_land_in_their_place(out):
    goal = publish(out, "one")
    assert goal == out / "toy" / "onnx"
    assert publish(out, "two") == goal
    assert [path.name for path in goal.iterdir()] == ["file"]
    assert (goal / "file").read_text() == "two"
    assert [path.name for path in out.iterdir()] == ["toy"], "staging is gone when it is empty"


def test_work_that_fails_leaves_the_old_artifact_and_no_litter(out):
    goal = publish(out, "old")
    with pytest.raises(RuntimeError), staged(out, "toy", "onnx") as there:
        (there.stage / "file").write_text("half")
        raise RuntimeError
    assert (goal / "file").read_text() == "old"
    assert not (out / ".staging").exists()


def test_a_reader_sees_a_whole_artifact_while_publishers_are_killed(out):
    """A reader may lose the folder under its hands, but never sees files of two artifacts."""
    seen, torn = set(), []
    stop, moments = threading.Event(), random.Random(0)

    def read():
        while not stop.is_set():
            try:
                held = read_whole(out / "toy" / "onnx")
            except FileNotFoundError:
                continue  # before the first one, or one that was replaced while it was read
            seen.update(held)
            if len(held) != 1:
                torn.append(held)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in itertools.count():
            child = subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, str(out), str(turn * 100_000)],
                stdout=subprocess.PIPE,
            )
            assert child.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0.0, 0.2))
            child.kill()  # SIGKILL, in the middle of whatever it does
            child.wait()
            child.stdout.close()
            if not (out / "toy" / "onnx").exists():  # it was killed before its first
                publish_files(out)
            assert len(read_whole(out / "toy" / "onnx")) == 1
            if turn >= 7 and len(seen) > 3:  # a busy machine may need more turns
                break
            assert turn < 200, "the reader saw too few artifacts"
    finally:
        stop.set()
        reader.join()
    assert torn == []


def publish_files(out):
    with staged(out, "toy", "onnx") as there:
        for index in range(FILES):
            (there.stage / f"file{index}").write_text("first")
        there.publish()


def test_the_next_run_clears_what_a_killed_one_left_and_nothing_else(out):
    goal = publish(out, "old")
    child = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from export.place import staged
with staged({str(out)!r}, "toy", "onnx") as place:
    (place.stage / "half").write_text("half")
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", child], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (out / ".staging" / "toy-onnx" / "artifact" / "half").exists()
    assert (goal / "file").read_text() == "old"
    mine = out / ".staging" / "notes.txt"
    mine.write_text("the user's")
    publish(out, "new")
    assert (goal / "file").read_text() == "new"
    assert mine.read_text() == "the user's"
    assert [path.name for path in (out / ".staging").iterdir()] == ["notes.txt"]


def test_what_the_user_keeps_beside_artifacts_stays(out):
    (out / "toy" / "savedmodel").mkdir(parents=True)
    kept = [out / "README", out / "toy" / "notes.txt", out / "toy" / "savedmodel" / "mine"]
    for path in kept:
        path.write_text("the user's")
    publish(out, "one")
    publish(out, "two")
    assert [path.read_text() for path in kept] == ["the user's"] * 3


def test_exports_into_one_folder_take_turns_and_both_succeed(out):
    order, waited, inside = [], [], threading.Event()

    def work(name, hold):
        with staged(out, "toy", "onnx", lambda: waited.append(name)) as there:
            order.append(f"{name} in")
            inside.set()
            (there.stage / "file").write_text(name)
            time.sleep(hold)
            there.publish()
            order.append(f"{name} out")

    first = threading.Thread(target=work, args=("first", 0.5))
    first.start()
    assert inside.wait(10)
    work("second", 0)
    first.join()
    assert order == ["first in", "first out", "second in", "second out"]
    assert waited == ["second"]
    assert (out / "toy" / "onnx" / "file").read_text() == "second"


def test_exports_of_other_formats_and_networks_do_not_wait(out):
    with staged(out, "toy", "onnx"), staged(out, "toy", "savedmodel") as there:
        (there.stage / "file").write_text("x")
        publish(out, "y", model="other")
        there.publish()
    assert (out / "toy" / "savedmodel" / "file").exists()
    assert not (out / ".staging").exists()


class WithoutExchange:
    """A C library whose renameat2 fails as old kernels' and some file systems' do."""

    def __init__(self, code):
        self.code = code

    def renameat2(self, *_):
        place.ctypes.set_errno(self.code)
        return -1


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])
def test_where_paths_cannot_be_exchanged_two_renames_do(out, monkeypatch, code):
    publish(out, "old")
    monkeypatch.setattr(place.ctypes, "CDLL", lambda *_, **__: WithoutExchange(code))
    goal = publish(out, "new")
    assert (goal / "file").read_text() == "new"
    assert [path.name for path in out.iterdir()] == ["toy"]


def test_a_c_library_without_renameat2_does_too(out, monkeypatch):
    publish(out, "old")
    monkeypatch.setattr(place.ctypes, "CDLL", lambda *_, **__: object())
    assert (publish(out, "new") / "file").read_text() == "new"


def test_any_other_failure_of_the_exchange_is_an_error_and_keeps_the_old(out, monkeypatch):
    goal = publish(out, "old")
    monkeypatch.setattr(place.ctypes, "CDLL", lambda *_, **__: WithoutExchange(errno.EACCES))
    with pytest.raises(OSError, match="Permission denied"):
        publish(out, "new")
    assert (goal / "file").read_text() == "old"


def test_a_file_in_the_place_of_the_folder_is_an_export_error(tmp_path):
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(ExportError, match="cannot write to .*; choose another --out"):
        publish(tmp_path / "exports", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_an_export_error(tmp_path):
    (tmp_path / "exports").mkdir(mode=0o500)
    with pytest.raises(ExportError, match="Permission denied; choose another --out"):
        publish(tmp_path / "exports", "x")


@pytest.mark.parametrize("name", ["exports[1]", "exp*rts", "exports?"])
def test_a_name_that_tensorflow_would_glob_is_refused(tmp_path, name):
    with pytest.raises(ExportError, match="takes for a pattern.*; choose another --out"):
        publish(tmp_path / name, "x")
    assert not (tmp_path / name).exists()


def test_a_read_only_disk_is_an_export_error(out, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ExportError, match="Read-only file system; choose another --out"):
        publish(out, "x")
