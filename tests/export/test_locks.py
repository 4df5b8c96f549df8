"""Locks: held by one at a time, left by nobody, and never through what somebody planted."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from export import locks
from export.errors import ExportError
from export.locks import locked

ROOT = Path(__file__).parents[2]

# Adds one to a number in a file, many times, each time under the lock; its folder goes each time.
COUNTER = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export.locks import locked
number, folder = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(100):
    with locked(folder / "one.lock"):
        seen = int(number.read_text())
        time.sleep(0.0005)
        number.write_text(str(seen + 1))
        try:
            folder.rmdir()
        except OSError:
            pass
    try:
        folder.rmdir()
    except OSError:
        pass
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "staging" / "toy.lock"


def test_a_lock_is_a_file_beside_what_it_locks_and_gone_afterwards(lock):
    with locked(lock):
        assert lock.is_file()
    assert list(lock.parent.iterdir()) == []


def test_a_lock_is_gone_after_work_that_failed(lock):
    with pytest.raises(RuntimeError), locked(lock):
        raise RuntimeError
    assert list(lock.parent.iterdir()) == []


def test_processes_that_delete_and_make_the_file_anew_still_take_turns(tmp_path):
    number = tmp_path / "number"
    number.write_text("0")
    command = [sys.executable, "-c", COUNTER, str(number), str(tmp_path / "staging")]
    children = [subprocess.Popen(command) for _ in range(6)]
    assert [child.wait() for child in children] == [0] * 6
    assert number.read_text() == "600"
    assert not (tmp_path / "staging").exists()


def test_who_waits_is_told_once_and_then_has_its_turn(lock):
    waited, order, inside = [], [], threading.Event()

    def hold():
        with locked(lock):
            inside.set()
            time.sleep(0.3)
            order.append("first")

    first = threading.Thread(target=hold)
    first.start()
    assert inside.wait(10)
    with locked(lock, lambda: waited.append(1)):
        order.append("second")
    first.join()
    assert (order, waited) == (["first", "second"], [1])


def test_patience_has_an_end(lock):
    with (
        locked(lock),
        pytest.raises(ExportError, match="another process has held .*toy.lock for 0 s; wait"),
        locked(lock, patience=0.1),
    ):
        pass
    assert not lock.exists()


def test_a_killed_holder_lets_go_of_its_lock(lock):
    child = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from export.locks import locked\n"
        f"with locked({str(lock)!r}): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", child], check=False)
    assert done.returncode == -signal.SIGKILL
    assert lock.exists()
    with locked(lock, waiting=lambda: pytest.fail("nobody holds it")):
        pass
    assert not lock.exists()


def test_a_planted_link_is_left_alone(lock, tmp_path):
    lock.parent.mkdir()
    (tmp_path / "victim").write_text("precious")
    lock.symlink_to(tmp_path / "victim")
    with pytest.raises(ExportError, match="is a link where a lock file belongs; delete it"):
        locked(lock).__enter__()
    assert (tmp_path / "victim").read_text() == "precious"
    assert lock.is_symlink()


def test_a_link_planted_after_the_look_is_not_followed(lock, tmp_path, monkeypatch):
    lock.parent.mkdir()
    lock.symlink_to(tmp_path / "victim")
    monkeypatch.setattr(locks, "_refuse", lambda *_: None)
    with pytest.raises(ExportError, match="cannot write to"):
        locked(lock).__enter__()
    assert not (tmp_path / "victim").exists()


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path.relative_to(Path.cwd())))  # its paths have at most 108 characters


def make_second_name(path):
    (path.parent / "mine").write_text("")
    path.hardlink_to(path.parent / "mine")


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("a pipe", os.mkfifo),
        ("a folder", Path.mkdir),
        ("a socket", make_socket),
        ("a file with something in it", lambda path: path.write_text("mine")),
        ("a file with other names", make_second_name),
    ],
)
def test_anything_but_a_lock_file_is_told_at_once(lock, tmp_path, monkeypatch, what, make):
    monkeypatch.chdir(tmp_path)
    lock.parent.mkdir()
    make(lock)
    with pytest.raises(ExportError, match=f"is {what} where a lock file belongs"):
        locked(lock).__enter__()
    assert lock.exists()


def test_the_lock_of_another_user_is_told(lock, monkeypatch):
    with locked(lock):
        monkeypatch.setattr(locks.os, "geteuid", lambda: 4_000_000)
        monkeypatch.setattr(locks, "_owner_of_new_files", lambda _: 4_000_000)
        with pytest.raises(ExportError, match="toy.lock belongs to another user"):
            locked(lock).__enter__()


def test_a_mount_that_gives_all_files_to_one_user_is_no_other_user(lock, monkeypatch):
    monkeypatch.setattr(locks.os, "geteuid", lambda: 4_000_000)
    with locked(lock):
        assert lock.exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_lock_is_an_error_at_once(lock, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.raises(
        ExportError, match="cannot lock files: .*; choose another folder, on a disk"
    ):
        locked(lock).__enter__()


@pytest.mark.parametrize("where", ["mine", "mine/below"])
@pytest.mark.parametrize(
    "make", [Path.touch, os.mkfifo, lambda path: path.symlink_to(path.with_name("nothing"))]
)
def test_whatever_lies_in_the_place_of_the_folder_is_told(tmp_path, make, where):
    make(tmp_path / "mine")
    with pytest.raises(ExportError, match=r"^cannot write to .*mine"):
        locked(tmp_path / where / "a.lock").__enter__()
