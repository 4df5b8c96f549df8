"""How command lines end: in one line, with a status, whatever the cause."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.ending import ending
from export.errors import ExportError

ROOT = Path(__file__).resolve().parents[2]


def test_work_that_succeeds_is_left_alone(capsys):
    with ending():
        print("done")
    assert capsys.readouterr() == ("done\n", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ExportError("a lane cannot exist here"), "error: a lane cannot exist here\n"),
        (ValueError("no network is called x"), "error: no network is called x\n"),
        (FileNotFoundError(2, "No such file", "w.npz"), "error: w.npz: no such file\n"),
    ],
)
def test_what_users_can_cause_is_one_line_and_status_2(capsys, error, line):
    with pytest.raises(SystemExit) as ended, ending():
        raise error
    assert ended.value.code == 2
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("name", "told"),
    [("a\nb", "a b"), ("a\r\nb", "a b"), ("\x1b[31m", "\\x1b[31m"), ("\udcff", "\\u{dcff}")],
)
def test_a_name_with_control_characters_is_told_in_one_line(capsys, name, told):
    with pytest.raises(SystemExit), ending():
        raise ValueError(f"{name} is not there")
    assert capsys.readouterr().err == f"error: {told} is not there\n"


def end(shell: str, work: str, **environment):
    """Run `work` within `ending` in a Python that `shell` starts as `$RUN`."""
    code = f"from export.ending import ending\nwith ending():\n    {work}"
    return subprocess.run(
        ["/bin/sh", "-c", shell],
        env={**os.environ, "PYTHON": sys.executable, "CODE": code, "PYTHONPATH": f"{ROOT}"}
        | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_opened_again_so_that_no_file_gets_their_numbers(tmp_path, closed):
    work = (
        f"file = open({str(tmp_path / 'file')!r}, 'w'); print('printed'); "
        "assert file.fileno() > 2; file.write('mine'); file.close()"
    )
    done = end(f'"$PYTHON" -c "$CODE" {closed}', work)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_text() == "mine"


def test_errors_never_go_to_standard_output():
    done = end('"$PYTHON" -c "$CODE" 2>&-', "raise ValueError('x')")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_result_that_the_locale_cannot_spell_is_printed_with_escapes():
    done = end('"$PYTHON" -c "$CODE"', "print('\u00e9')", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\xe9\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_result_that_has_no_room_says_so():
    done = end('"$PYTHON" -c "$CODE" > /dev/full', "print('done')", PYTHONUNBUFFERED="")
    line = "error: cannot write to standard output: no space left on device\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_a_folder_that_was_deleted_under_the_command_is_told(tmp_path):
    shell = f'mkdir {tmp_path}/x; cd {tmp_path}/x; rmdir {tmp_path}/x; "$PYTHON" -c "$CODE"'
    done = end(shell, "import os; os.getcwd()")
    line = "error: this folder was deleted; change into another one\n"
    assert (done.returncode, done.stderr) == (2, line)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("std::bad_alloc"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_want_of_memory_is_one_line_that_says_how_much_is_free(capsys, error):
    with pytest.raises(SystemExit) as ended, ending():
        raise error
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert re.fullmatch(r"error: not enough memory: [\d.]+ [MG]B free; close other .*\n", told)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("1536 requested and 992 written"),
        RuntimeError("RESOURCE_EXHAUSTED: variables.data; No space left on device"),
    ],
)
def test_want_of_disk_is_one_line_that_says_where(capsys, monkeypatch, tmp_path, error):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("export.shortage.free", lambda path: 5000 * (path != tmp_path))
    with pytest.raises(SystemExit) as ended, ending():
        raise error
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told == (
        f"error: no space left in {tmp_path}: 0 bytes free; free some, or set TMPDIR to a folder "
        "on a larger disk\n"
    )


@pytest.mark.parametrize(("extra", "where"), [("", "."), ("serving", ".[serving]")])
def test_a_package_that_is_missing_is_named_with_what_installs_it(capsys, extra, where):
    with pytest.raises(SystemExit) as ended, ending(extra=extra):
        import no_such_package  # noqa: F401
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: no_such_package is not installed; in the toolkit's folder run "
        f"pip install -e '{where}'\n"
    )


def test_an_interrupt_says_what_became_of_the_work(capsys):
    with pytest.raises(SystemExit) as ended, ending(interrupted="stopped; go on with --resume"):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; go on with --resume\n"


WORK = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from export.ending import ending
with ending(interrupted="interrupted; nothing is left"):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.2)
        print("cleared", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_end_clears_up_and_says_so(number):
    child = subprocess.Popen(
        [sys.executable, "-c", WORK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "at work\n"
    child.send_signal(number)
    if number != signal.SIGINT:
        time.sleep(0.1)
        child.send_signal(number)  # a second one does not cut the clearing up short
    assert child.communicate(timeout=30) == ("cleared\n", "interrupted; nothing is left\n")
    assert child.returncode == 128 + number


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_process_that_crashes_still_has_last_words(end):
    code = WORK.replace("time.sleep(60)", end).replace("import sys", "import os, sys")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode in (-signal.SIGKILL, -signal.SIGABRT)
    assert done.stderr.splitlines()[-1].startswith("error: this process crashed or was killed, ")


def test_a_signal_that_nohup_ignores_stays_ignored():
    child = subprocess.Popen(
        [sys.executable, "-c", WORK.replace("sleep(60)", "sleep(0.5)")],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert child.stdout.readline() == "at work\n"
    child.send_signal(signal.SIGHUP)
    assert child.communicate(timeout=30)[0] == "cleared\n"
    assert child.returncode == 0


def test_a_terminal_that_went_away_still_ends_by_its_signal():
    code = WORK.replace('print("cleared", flush=True)', "raise OSError(5, 'gone')")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code.replace("time.sleep(60)", "os.kill(os.getpid(), 1)\n").replace(
                "import sys", "import os, sys"
            ),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stderr.close()
    child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGHUP


def test_handlers_are_those_from_before_again():
    before = signal.getsignal(signal.SIGTERM)
    with ending():
        within = signal.getsignal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert callable(within) and within != before


def test_verbose_keeps_the_trace():
    with pytest.raises(ExportError), ending(verbose=True):
        raise ExportError("a lane cannot exist here")


def test_a_bug_of_ours_keeps_its_trace():
    with pytest.raises(ZeroDivisionError), ending():
        raise ZeroDivisionError


@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_reader_that_left_is_told_nothing(buffering):
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from export.ending import ending\n"
        "sys.stdin.read()\n"
        "with ending(): print('unread')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": buffering},
    )
    child.stdout.close()
    child.stdin.close()
    assert child.stderr.read() == b""
    assert child.wait() == 141
    child.stderr.close()


def test_a_narrow_terminal_breaks_an_error_between_words(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 50)))
    why = "exports/squeezenet1_1/onnx has no report.json; name a folder that tools/export.py wrote"
    with pytest.raises(SystemExit), ending():
        raise ValueError(why)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and all(len(line) <= 40 for line in lines)
    assert " ".join(line.strip() for line in lines) == f"error: {why}"


def test_what_an_interrupt_left_half_made_adds_no_line():
    """As TensorFlow's ApiDefMap, which is freed by what its making never came to set."""
    work = """\
class Half:
    def __init__(self):
        try:
            raise ValueError("a step that failed")
        except ValueError:
            raise KeyboardInterrupt
    def __del__(self):
        self.handle
Half()"""
    done = end('exec "$PYTHON" -c "$CODE"', work.replace("\n", "\n    "))
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize("loaded", [True, False])
def test_a_script_leaves_with_its_status_and_all_that_it_printed(loaded):
    body = (
        "import atexit, sys, types; from export.ending import leave; "
        f"sys.modules.update(tensorflow=types.ModuleType('t')) if {loaded} else None; "
        "atexit.register(print, 'cleared'); print('done'); leave(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", body], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "done\ncleared\n", "")
