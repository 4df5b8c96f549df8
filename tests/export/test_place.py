"""Artifacts in their place: whole at any moment, whoever is killed, whatever the system lacks."""

import errno
import itertools
import json
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
from export.place import check_goals, staged

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


@pytest.fixture
def no_exchange(monkeypatch):
    def fail(code):
        monkeypatch.setattr(place.ctypes, "CDLL", lambda *_, **__: WithoutExchange(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV])
def test_where_paths_cannot_be_exchanged_two_renames_do(out, no_exchange, code):
    publish(out, "old")
    no_exchange(code)
    goal = publish(out, "new")
    assert (goal / "file").read_text() == "new"
    assert [path.name for path in out.iterdir()] == ["toy"]


def fail_at(monkeypatch, moved: str, error: BaseException):
    """Have the rename of a folder called `moved` meet `error`."""
    rename = Path.rename

    def meet(self, target):
        if self.name == moved:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meet)


@pytest.mark.parametrize("moved", ["onnx", "artifact"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_an_error_at_either_of_two_renames_keeps_the_old(
    out, no_exchange, monkeypatch, moved, error
):
    goal = publish(out, "old")
    no_exchange(errno.EINVAL)
    with monkeypatch.context() as patched:
        fail_at(patched, moved, error)
        with pytest.raises(type(error)):
            publish(out, "new")
    assert (goal / "file").read_text() == "old"
    assert not (out / ".staging").exists()


KILLED_BETWEEN = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export import place
place._exchanged = lambda *_: False
rename = Path.rename
def die(self, target):
    if self.name == "artifact":
        os.kill(os.getpid(), 9)
    return rename(self, target)
Path.rename = die
with place.staged(Path(sys.argv[1]), "toy", "onnx") as there:
    (there.stage / "file").write_text("new")
    there.publish()
"""


@pytest.fixture
def killed_between(out):
    """An export that was killed between its two renames: the old artifact is in staging."""
    publish(out, "old")
    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (out / "toy" / "onnx").exists()
    return out / "toy" / "onnx"


def test_a_run_puts_back_what_a_kill_left_aside_even_if_it_fails_itself(out, killed_between):
    with pytest.raises(RuntimeError), staged(out, "toy", "onnx"):
        assert (killed_between / "file").read_text() == "old"
        raise RuntimeError
    assert (killed_between / "file").read_text() == "old"
    assert not (out / ".staging").exists()


def test_what_came_into_that_place_meanwhile_and_what_is_aside_both_stay(out, killed_between):
    killed_between.mkdir()
    (killed_between / "mine").write_text("the user's")
    with pytest.raises(ExportError, match="from before is whole in .*replaced/onnx; move .* away"):
        publish(out, "new")
    assert (killed_between / "mine").read_text() == "the user's"
    killed_between.rename(out / "moved away")
    publish(out, "new")
    assert (killed_between / "file").read_text() == "new"
    assert not (out / ".staging").exists()


def test_a_folder_that_its_file_system_cannot_rename_is_copied_aside(out, no_exchange, monkeypatch):
    """An overlay of a container cannot rename what came with its image."""
    publish(out, "old")
    no_exchange(errno.EXDEV)
    with monkeypatch.context() as patched:
        fail_at(patched, "onnx", OSError(errno.EXDEV, "Invalid cross-device link"))
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


def report(folder: Path, content: str = '{"schema": 1}') -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(content)
    return folder


@pytest.mark.parametrize("content", ['{"schema": 1}', '{"schema": 2}'])
def test_free_places_empty_folders_and_artifacts_are_replaced(out, content):
    check_goals(out, "toy", ["onnx"])
    (out / "toy" / "onnx").mkdir(parents=True)
    check_goals(out, "toy", ["onnx"])
    report(out / "toy" / "onnx", content)
    report(out / "toy" / "onnx.failed", content)
    check_goals(out, "toy", ["onnx"])


@pytest.mark.parametrize("name", ["onnx", "onnx.failed"])
@pytest.mark.parametrize("report_json", [None, "not JSON", "{}", '{"schema": 9}'])
def test_a_folder_of_somebody_else_is_left_alone(out, name, report_json):
    mine = out / "toy" / name
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("two years of work")
    if report_json is not None:
        report(mine, report_json)
    with pytest.raises(ExportError, match=f"{name} holds .*thesis.txt.* move it away, or choose"):
        check_goals(out, "toy", ["onnx"])


@pytest.mark.parametrize("name", ["notes.txt", "1/notes.txt", "3/saved_model.pb"])
def test_what_was_laid_into_an_artifacts_folder_is_not_deleted_with_it(out, name):
    listed = {"artifact": {"files": {"1/saved_model.pb": "", "gone": ""}}, "schema": 2}
    goal = report(out / "toy" / "onnx", json.dumps(listed))
    for own in ("1/saved_model.pb", "report.html", ".DS_Store", "1/.DS_Store"):
        (goal / own).parent.mkdir(exist_ok=True)
        (goal / own).touch()
    (goal / "empty").mkdir()
    check_goals(out, "toy", ["onnx"])
    (goal / name).parent.mkdir(exist_ok=True)
    (goal / name).write_text("the user's")
    with pytest.raises(ExportError, match=f"onnx holds {name}, which no export put there"):
        check_goals(out, "toy", ["onnx"])


def test_a_link_laid_into_an_artifacts_folder_is_not_deleted_with_it(out):
    goal = report(out / "toy" / "onnx")
    (goal / "link").symlink_to("/elsewhere")
    with pytest.raises(ExportError, match="onnx holds link, which no export put there"):
        check_goals(out, "toy", ["onnx"])


@pytest.mark.parametrize("name", ["toy", "toy/onnx", "toy/onnx.failed"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.write_text("mine"), "no folder"),
        (os.mkfifo, "no folder"),
        (lambda path: path.symlink_to(path.with_name("nothing")), "a link to nothing"),
    ],
)
def test_a_file_in_the_place_of_an_artifact_is_left_alone(out, name, make, what):
    (out / name).parent.mkdir(parents=True)
    make(out / name)
    with pytest.raises(ExportError, match=f"{name} is {what}, and a folder belongs there; move it"):
        check_goals(out, "toy", ["onnx"])


@pytest.mark.parametrize(
    "make", [Path.touch, lambda path: path.symlink_to(path.with_name("nothing"))]
)
def test_publishing_refuses_to_replace_a_file(out, make):
    goal = out / "toy" / "onnx"
    goal.parent.mkdir(parents=True)
    make(goal)
    with pytest.raises(ExportError, match="move it away, or choose another --out"):
        publish(out, "new")
    assert os.path.lexists(goal)
    assert not goal.is_dir()


@pytest.mark.parametrize("linked", ["toy", "toy/onnx"])
def test_a_link_to_an_artifact_stays_and_what_it_leads_to_is_replaced(out, tmp_path, linked):
    real = tmp_path / "big disk" / Path(linked).name
    artifact = report(real / "onnx" if linked == "toy" else real)
    (artifact.parent / "notes").write_text("the user's")
    (out / linked).parent.mkdir(parents=True)
    (out / linked).symlink_to(real)
    check_goals(out, "toy", ["onnx"])
    assert publish(out, "new") == out / "toy" / "onnx"
    assert (out / linked).is_symlink()
    assert [path.name for path in artifact.iterdir()] == ["file"]
    assert sorted(path.name for path in artifact.parent.iterdir()) == ["notes", artifact.name]
    assert not (out / ".staging").exists()


def test_a_link_to_a_folder_that_no_export_made_is_refused(out, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep").write_text("k")
    (out / "toy").mkdir(parents=True)
    (out / "toy" / "onnx").symlink_to(tmp_path / "mine")
    with pytest.raises(ExportError, match="onnx holds keep, and no report.json"):
        check_goals(out, "toy", ["onnx"])


@pytest.mark.parametrize("name", [".staging", ".staging/toy-onnx"])
def test_staging_that_is_a_planted_link_is_not_followed(out, tmp_path, name):
    (tmp_path / "mine" / "toy-onnx").mkdir(parents=True)
    (tmp_path / "mine" / "toy-onnx" / "keep").write_text("k")
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(tmp_path / "mine")
    with pytest.raises(ExportError, match="is a link, and exports work in a folder; delete it"):
        publish(out, "new")
    assert (tmp_path / "mine" / "toy-onnx" / "keep").read_text() == "k"


def test_an_artifact_is_on_disk_before_it_is_in_its_place(out, monkeypatch):
    order, exchange = [], place.exchange
    monkeypatch.setattr(place, "sync_tree", lambda folder: order.append(f"sync {folder.name}"))
    monkeypatch.setattr(place, "sync_folder", lambda folder: order.append(f"sync {folder.name}"))
    monkeypatch.setattr(
        place, "exchange", lambda *paths: order.append("exchange") or exchange(*paths)
    )
    publish(out, "one")
    publish(out, "two")
    assert order == ["sync artifact", "sync toy", "sync artifact", "exchange", "sync toy"]


def test_exports_with_other_temporary_folders_still_take_turns(out, tmp_path):
    """Each process of a cluster's job has a TMPDIR of its own."""
    (tmp_path / "other").mkdir()
    child = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from export.place import staged\n"
        f"with staged(Path({str(out)!r}), 'toy', 'onnx', lambda: print('waits', flush=True)): pass"
    )
    with staged(out, "toy", "onnx") as there:
        (there.stage / "file").write_text("mine")
        process = subprocess.Popen(
            [sys.executable, "-c", child],
            env={**os.environ, "TMPDIR": str(tmp_path / "other")},
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"waits\n"
        assert (there.stage / "file").read_text() == "mine"
    assert process.wait() == 0
    process.stdout.close()
    assert not (out / ".staging").exists()
