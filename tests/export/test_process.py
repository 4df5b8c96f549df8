"""Child processes: their last words, and that none outlives its parent."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import psutil
import pytest

from export.contract import Contract
from export.errors import Shortage
from export.process import (
    ChildFailed,
    ask,
    ask_script,
    child_of_script,
    failure,
    in_this_process,
    output_of,
    start,
    stop,
)

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)
NO_CONTRACT = Contract((), ()).as_dict()


@pytest.fixture
def script(tmp_path):
    def write(body):
        path = tmp_path / "script.py"
        head = "import json, os, sys, time\ndef work(job, arrays):\n"
        path.write_text(head + textwrap.indent(body, "    ") + "\n    return {}, {}\n")
        return path

    return write


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


ADD_ONE = """
yield {"n": job["n"] + 1}, {"twice": 2 * arrays["a"], "layer/b": arrays["layer/b"]}
yield {"n": job["n"] + 2}, {"more": arrays["a"][:1]}
"""
GIVEN = {"a": np.arange(3.0), "layer/b": np.ones((1, 2), np.int64)}


def test_a_child_gets_a_job_and_arrays_and_leaves_nothing_behind(script, scratch):
    answer, arrays = ask_script(PYTHON, script(ADD_ONE), {"n": 40}, GIVEN, scratch)
    assert answer == {"n": 42, "error": ""}
    assert {name: values.tolist() for name, values in arrays.items()} == {
        "twice": [0, 2, 4], "layer/b": [[1, 1]], "more": [0],
    }  # fmt: skip
    assert arrays["layer/b"].dtype == np.int64
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["two\nlines", "caf\udce9", 'a "b" \\c', "größe"])
def test_folders_may_be_called_anything(script, scratch, name):
    (scratch / name).mkdir()
    answer, _ = ask_script(PYTHON, script(ADD_ONE), {"n": 40}, GIVEN, scratch / name)
    assert answer["n"] == 42
    assert list((scratch / name).iterdir()) == []


WITHOUT_STREAMS = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export.process import ask_script
script, scratch, log = map(Path, sys.argv[1:])
log = log.open("w")
for number in (0, 1, 2):
    os.close(number)
answer, _ = ask_script(Path(sys.executable), script, {{"n": 40}}, {{}}, scratch)
print(answer, file=log, flush=True)
"""


def test_a_parent_without_standard_streams_may_ask_too(script, scratch, tmp_path):
    body, log = script("return {'n': job['n'] + 2}, {}"), tmp_path / "log"
    command = [sys.executable, "-c", WITHOUT_STREAMS, str(body), str(scratch), str(log)]
    subprocess.run(command, check=True, timeout=60)
    assert log.read_text() == "{'n': 42, 'error': ''}\n"


def test_an_exception_of_a_child_is_data_beside_what_it_had_answered(script, scratch):
    body = ADD_ONE + 'raise ValueError("the reason\\nand more")'
    answer, arrays = ask_script(PYTHON, script(body), {"n": 40}, GIVEN, scratch)
    assert answer == {"n": 42, "error": "ValueError: the reason"}
    assert set(arrays) == {"twice", "layer/b", "more"}


def test_it_is_known_how_far_a_child_came_that_died(script, scratch):
    with pytest.raises(ChildFailed) as failed:
        ask_script(PYTHON, script(ADD_ONE + "os._exit(3)"), {"n": 40}, GIVEN, scratch)
    assert failed.value.answer == {"n": 42}
    assert list(scratch.iterdir()) == [], "on a bad day too"


def test_a_child_that_ends_without_an_answer_has_failed(script, scratch):
    with pytest.raises(ChildFailed, match="^script ended without an answer$"):
        ask_script(PYTHON, script("os._exit(0)"), {}, {}, scratch)


def test_objects_are_no_arrays_and_nothing_is_pickled(script, scratch):
    with pytest.raises(ValueError, match="pickle"):
        ask_script(PYTHON, script(""), {}, {"a": np.array([object()])}, scratch)


def test_messages_call_a_child_by_the_name_it_is_given(script, scratch):
    with pytest.raises(ChildFailed, match="^the engine failed$"):
        ask_script(PYTHON, script("os._exit(1)"), {}, {}, scratch, "the engine")


def test_a_child_keeps_what_it_has_loaded_from_one_job_to_the_next(script, scratch):
    body = "calls = globals().setdefault('calls', [])\ncalls.append(job['n'])\n"
    body += "return {'pid': os.getpid(), 'calls': calls}, {}"
    with child_of_script(PYTHON, script(body), scratch) as one:
        first, _ = one.ask({"n": 1}, {})
        second, _ = one.ask({"n": 2}, {})
    assert (first["calls"], second["calls"]) == ([1], [1, 2])
    assert first["pid"] == second["pid"]
    assert not psutil.pid_exists(first["pid"])
    assert list(scratch.iterdir()) == []


def test_a_child_goes_on_after_a_job_that_raised(script, scratch):
    with child_of_script(PYTHON, script("return {'inverse': 1 / job['n']}, {}"), scratch) as one:
        assert one.ask({"n": 0}, {})[0]["error"].startswith("ZeroDivisionError")
        assert one.ask({"n": 2}, {})[0] == {"inverse": 0.5, "error": ""}


def test_a_child_that_died_between_two_jobs_says_so(script, scratch):
    body = "return {'pid': os.getpid()}, {}"
    with child_of_script(PYTHON, script(body), scratch, "the runner") as one:
        pid = one.ask({}, {})[0]["pid"]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ChildFailed, match="^the runner was killed"):
            one.ask({}, {})


def test_a_child_that_is_left_early_is_ended_at_once(script, scratch):
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), child_of_script(PYTHON, script(""), scratch) as one:
        one.running.stdin.write(b"nowhere\n")
        raise KeyboardInterrupt
    assert time.monotonic() - started < 5
    assert one.running.returncode is not None


MEET = """
import pathlib
folder = pathlib.Path(job["folder"])
(folder / job["own"]).touch()
end = time.monotonic() + 60
while not (folder / job["other"]).exists() and time.monotonic() < end:
    time.sleep(0.01)
return {"met": (folder / job["other"]).exists()}, {}
"""


def test_children_that_were_given_a_job_work_beside_each_other(script, scratch, tmp_path):
    body, job = script(MEET), {"folder": str(tmp_path)}
    with (
        child_of_script(PYTHON, body, scratch) as one,
        child_of_script(PYTHON, body, scratch) as two,
    ):
        one.begin({**job, "own": "a", "other": "b"}, {})
        two.begin({**job, "own": "b", "other": "a"}, GIVEN, last=True)
        assert one.busy and two.busy
        assert two.running.wait(60) == 0, "it ends after its last job, and its answer waits"
        answers = [child.answer()[0] for child in (one, two)]
        assert not one.busy and not two.busy
    assert [answer["met"] for answer in answers] == [True, True]
    assert list(scratch.iterdir()) == []


def test_a_child_whose_answer_nobody_wants_any_more_is_ended_and_leaves_nothing(script, scratch):
    started = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        child_of_script(PYTHON, script("time.sleep(60)"), scratch) as one,
    ):
        one.begin({}, GIVEN)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
    assert one.running.returncode == -signal.SIGKILL
    assert list(scratch.iterdir()) == []


def test_a_child_that_dies_before_it_is_waited_for_says_so_then(script, scratch):
    with child_of_script(PYTHON, script("os._exit(1)"), scratch, "the runner") as one:
        one.begin({}, {})
        one.running.wait()
        with pytest.raises(ChildFailed, match="^the runner failed$"):
            one.answer()
    assert list(scratch.iterdir()) == []


def test_a_module_that_cannot_be_imported_fails_the_first_job(scratch, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("raise ValueError('the reason')")
    failed = pytest.raises(ChildFailed, match="^broken failed: ValueError: the reason$")
    with child_of_script(PYTHON, path, scratch) as one, failed:
        one.ask({}, {})


@pytest.mark.parametrize("here", [True, False])
def test_in_this_process_or_in_another_the_answer_is_the_same(scratch, tmp_path, here):
    job = {"format": "onnx", "folder": str(tmp_path / "none")}
    images = {"image": np.zeros((1, 4, 4, 3), np.float32)}
    with in_this_process() if here else nullcontext():
        answer, arrays = ask("export.observe.artifact", job, images, scratch)
    assert answer["error"] == f"{tmp_path / 'none'} has no model.onnx; export it again"
    assert (answer["failed"], answer["contract"], arrays) == ("open", NO_CONTRACT, {})


def test_a_script_sees_the_files_beside_it_and_no_path_of_ours(script, scratch, tmp_path):
    # An editable install puts the repository on every path of its interpreter; we must not.
    bare = [str(PYTHON), "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    paths = json.loads(subprocess.run(bare, capture_output=True, check=True, cwd=tmp_path).stdout)
    path = script("return {'paths': sys.path}, {}")
    answer, _ = ask_script(PYTHON, path, {}, {}, scratch)
    assert answer["paths"] == [str(path.parent), *paths]


def test_what_a_child_prints_does_not_reach_the_user(script, scratch, capfd):
    ask_script(PYTHON, script("print('out'); print('err', file=sys.stderr)"), {}, {}, scratch)
    assert capfd.readouterr() == ("", "")


def test_the_last_line_of_a_failed_child_is_told(script, scratch):
    with pytest.raises(ChildFailed, match="^script failed: the reason$"):
        ask_script(PYTHON, script("sys.exit('the reason')"), {}, {}, scratch)


def test_lines_of_a_log_are_not_taken_for_the_reason(script, scratch):
    body = """
print("the reason", file=sys.stderr)
print("W0000 00:00:1 cuda.cc:31] no GPU", file=sys.stderr)
print("2026-01-01 10:00:00.1: E tensorflow/core", file=sys.stderr)
sys.exit(3)
"""
    with pytest.raises(ChildFailed, match="^script failed: the reason$"):
        ask_script(PYTHON, script(body), {}, {}, scratch)


def test_a_silent_failure_is_told_as_one(script, scratch):
    with pytest.raises(ChildFailed, match="^script failed$"):
        ask_script(PYTHON, script("os._exit(1)"), {}, {}, scratch)


def test_a_child_that_was_killed_may_have_been_killed_by_anybody(script, scratch):
    with pytest.raises(ChildFailed, match="^script was killed, by somebody or by the system for"):
        ask_script(PYTHON, script("os.kill(os.getpid(), 9)"), {}, {}, scratch)


def test_a_crash_is_told_by_its_signal(script, scratch):
    with pytest.raises(ChildFailed, match=f"^script died of signal {signal.SIGSEGV:d}"):
        ask_script(PYTHON, script("os.kill(os.getpid(), 11)"), {}, {}, scratch)


def test_an_abort_without_a_word_of_memory_is_not_said_to_be_for_want_of_it(script, scratch):
    body = "print('Check failed: a == b', file=sys.stderr, flush=True); os.abort()"
    with pytest.raises(ChildFailed) as told:
        ask_script(PYTHON, script(body), {}, {}, scratch)
    assert str(told.value) == (
        "script died of signal 6, as libraries do that find a fault, or no memory: "
        "Check failed: a == b"
    )


def demand(path, scratch):
    """Have a script do work that must succeed."""
    answer, _ = ask_script(PYTHON, path, {}, {}, scratch)
    if answer["error"]:
        raise failure("script", answer["error"], scratch)


CPP = """
print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
print("  what():  std::bad_alloc", file=sys.stderr, flush=True)
os.abort()
"""


@pytest.mark.parametrize(
    "body",
    [
        CPP,
        "raise MemoryError",
        "raise RuntimeError('std::bad_alloc')",
        "raise RuntimeError('OOM when allocating tensor with shape[9]')",
        "raise OSError(12, 'Cannot allocate memory')",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30,) * 2)\nb'x' * (2 << 30)",
    ],
)
def test_want_of_memory_in_a_child_is_told_in_our_words(script, scratch, body):
    with pytest.raises(Shortage) as told:
        demand(script(body), scratch)
    assert re.fullmatch(
        r"script failed: not enough memory: [\d.]+ [MG]B free; close other .*", str(told.value)
    )


@pytest.mark.parametrize(
    "body",
    [
        "raise OSError(28, 'No space left on device')",
        "raise OSError('1536 requested and 992 written')",
        "print('RESOURCE_EXHAUSTED: variables; No space left on device'); sys.exit(1)",
    ],
)
def test_want_of_disk_in_a_child_is_told_with_the_folder(script, scratch, body):
    with pytest.raises(
        Shortage, match=f"^script failed: no space left in {scratch}: .* free; free"
    ):
        demand(script(body), scratch)


def test_a_log_that_found_no_room_is_itself_the_reason(script, scratch, monkeypatch):
    monkeypatch.setattr("export.shortage.free", lambda folder: 0)
    with pytest.raises(Shortage, match="^script failed: no space left in .*: 0 bytes free"):
        ask_script(PYTHON, script("sys.exit(1)"), {}, {}, scratch)


def test_a_job_that_finds_no_room_is_told_like_that(script, scratch, monkeypatch):
    path, full = script(""), mock.Mock(side_effect=OSError(28, "No space left"))
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Shortage, match=f"^no space left in {scratch}"):
        ask_script(PYTHON, path, {}, {}, scratch)


def test_the_user_s_python_variables_are_not_for_a_lane(script, scratch, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KERAS_NETS_TEST", "kept")
    answer, _ = ask_script(PYTHON, script("return dict(os.environ), {}"), {}, {}, scratch)
    assert "PYTHONPATH" not in answer
    assert answer["KERAS_NETS_TEST"] == "kept"


def test_one_of_our_modules_runs_from_any_folder(scratch, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answer, _ = ask("export.observe.artifact", {}, {}, scratch)
    assert answer["error"] == "KeyError: 'folder'"


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"no child wrote {path.name}"
        time.sleep(0.02)
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


SLEEPER = """
with open(job["pid"] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(job["pid"] + ".new", job["pid"])
time.sleep(60)
"""
PARENT = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from export.process import ask_script
job = {{"pid": sys.argv[2]}}
ask_script(Path(sys.executable), Path(sys.argv[1]), job, {{}}, Path(sys.argv[3]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent_however_that_ends(script, scratch, tmp_path, how):
    pid = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script(SLEEPER)), str(pid), str(scratch)]
    )
    child = wait_for(pid)
    parent.send_signal(how)
    parent.wait()
    assert is_gone(child)


def test_an_interrupt_ends_the_child_and_is_passed_on(script, scratch, tmp_path):
    pid = tmp_path / "pid"

    def interrupt():
        wait_for(pid)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        ask_script(PYTHON, script(SLEEPER), {"pid": str(pid)}, {}, scratch)
    thread.join()
    assert is_gone(int(pid.read_text()))


FAMILY = """
import os, subprocess, sys, time
if len(sys.argv) > 2:
    subprocess.Popen([sys.executable, __file__, sys.argv[2]])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""


@pytest.fixture
def family(tmp_path):
    """A command that starts a child of its own, and the files that both write their ids to."""
    (tmp_path / "family.py").write_text(FAMILY)
    pids = [tmp_path / "child", tmp_path / "grandchild"]
    return [sys.executable, str(tmp_path / "family.py"), *map(str, pids)], pids


def test_what_is_stopped_ends_with_all_that_it_started(family):
    command, pids = family
    child = start(command)
    ids = [wait_for(path) for path in pids]
    stop(child)
    assert all(map(is_gone, ids))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_what_a_killed_parent_started_ends_with_all_that_it_started(family):
    command, pids = family
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from export.process import start\nstart({command!r}).wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    ids = [wait_for(path) for path in pids]
    parent.kill()
    parent.wait()
    assert all(map(is_gone, ids))


def test_the_output_of_a_command_comes_with_its_status():
    assert output_of([sys.executable, "-c", "print('x'); exit(3)"], 1) == (3, b"x\n")


def test_what_is_stopped_with_patience_may_clear_up(tmp_path):
    code = (
        "import sys, time\ntry:\n print('up', flush=True); time.sleep(60)\n"
        f"finally: open({str(tmp_path / 'cleared')!r}, 'w')"
    )
    end = "import signal; signal.signal(15, signal.default_int_handler)\n"
    child = start([sys.executable, "-c", end + code], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"up\n"
    stop(child, patience=30)
    child.stdout.close()
    assert (tmp_path / "cleared").exists()


def test_a_job_that_is_not_json_is_refused_before_a_child_starts(script, scratch):
    with pytest.raises(TypeError):
        ask_script(PYTHON, script(""), {"folder": Path("/")}, {}, scratch)


def test_a_child_whose_answer_nobody_takes_is_ended_with_its_block(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\ndef work(job, arrays):\n    time.sleep(60)\n    return {'error': ''}, {}\n"
    )
    began = time.monotonic()
    with child_of_script(Path(sys.executable), script, tmp_path) as child:
        child.begin({}, {})
        assert child.busy
    assert time.monotonic() - began < 30
