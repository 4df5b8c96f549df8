"""Finding a Python that a lane can be made with."""

import sys
from pathlib import Path

import pytest

from export.lanes import interpreters
from export.lanes.interpreters import find_interpreter

RUNNING = sys.version_info[:2]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A machine with no Python but those that the test puts on the PATH or into pyenv."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    def install(folder, name, body):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return install


def test_the_running_interpreter_comes_first():
    assert find_interpreter((RUNNING,)) == Path(sys.executable)


def test_one_on_the_path_is_found(elsewhere):
    python = elsewhere("bin", "python3.99", "echo 3 99")
    assert find_interpreter(((3, 99),)) == python


def test_the_newest_version_wanted_comes_first(elsewhere):
    elsewhere("bin", "python3.98", "echo 3 98")
    newer = elsewhere("bin", "python3.99", "echo 3 99")
    assert find_interpreter(((3, 99), (3, 98))) == newer


def test_one_of_pyenv_is_found_where_its_shim_does_not_run(elsewhere):
    elsewhere("bin", "python3.99", "echo 'pyenv: python3.99: command not found'; exit 127")
    python = elsewhere("pyenv/versions/3.99.1/bin", "python", "echo 3 99")
    assert find_interpreter(((3, 99),)) == python


@pytest.mark.parametrize(
    "body",
    ["echo 3 98", "echo 'No module named ensurepip' >&2; exit 1", "echo nonsense", "exit 0"],
    ids=["another version", "no venv", "nonsense", "silent"],
)
def test_one_that_cannot_make_environments_is_passed_over(elsewhere, body):
    elsewhere("bin", "python3.99", body)
    assert find_interpreter(((3, 99),)) is None


def test_one_that_hangs_is_passed_over(elsewhere, monkeypatch):
    def hang(*_, **__):
        raise interpreters.subprocess.TimeoutExpired("python3.99", 30)

    elsewhere("bin", "python3.99", "echo 3 99")
    monkeypatch.setattr(interpreters.subprocess, "run", hang)
    assert find_interpreter(((3, 99),)) is None


def test_a_running_interpreter_without_venv_is_passed_over(elsewhere, monkeypatch):
    monkeypatch.setattr(interpreters, "PROBE", "raise SystemExit(1)")
    python = elsewhere("bin", "python{}.{}".format(*RUNNING), "echo {} {}".format(*RUNNING))
    assert find_interpreter((RUNNING,)) == python
