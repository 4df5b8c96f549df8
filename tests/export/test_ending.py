"""How command lines end: in one line, with a status, whatever the cause."""

import os
import subprocess
import sys
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
        (FileNotFoundError(2, "No such file", "w.npz"), "error: [Errno 2] No such file: 'w.npz'\n"),
        (MemoryError(), "error: not enough memory; close other programs\n"),
        (MemoryError("9 GB"), "error: 9 GB\n"),
    ],
)
def test_what_users_can_cause_is_one_line_and_status_2(capsys, error, line):
    with pytest.raises(SystemExit) as ended, ending():
        raise error
    assert ended.value.code == 2
    assert capsys.readouterr().err == line


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
