"""This process and its children, which end with it and whose output is kept in files."""

import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

from export.errors import ExportError
from export.tensorflow_settings import LEAN, QUIET

ROOT = Path(__file__).resolve().parents[1]

# The child is killed when its parent dies, however that dies: prctl(PR_SET_PDEATHSIG, SIGKILL).
BOOT = """\
import ctypes, runpy, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
del sys.argv[0]
"""
RUN_SCRIPT = BOOT + 'runpy.run_path(sys.argv[0], run_name="__main__")'
RUN_MODULE = (
    BOOT + "sys.path[0] = sys.argv.pop(0)\nrunpy.run_module(sys.argv[0], run_name='__main__')"
)

FOLLOW = """\
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""


class ChildFailed(ExportError):
    """A child process ended badly; the message has its last line."""


def run_script(python: Path, script: Path, job: dict, folder: Path) -> None:
    """Run `script` with the interpreter `python` on `job`, which it gets as a JSON file.

    Raises ChildFailed where it exits with anything but 0.
    """
    _run([str(python), "-c", RUN_SCRIPT, str(script)], script.stem, job, folder)


def run_module(module: str, job: dict, folder: Path) -> None:
    """Run one of our own modules, by this interpreter, on `job`."""
    name = module.rpartition(".")[2]
    _run([sys.executable, "-c", RUN_MODULE, str(ROOT), module], name, job, folder)


def following(command: list[str]) -> list[str]:
    """A command that runs `command`, which names its program by path, and ends with its parent."""
    return [sys.executable, "-c", FOLLOW, *command]


def clean_environment() -> dict[str, str]:
    """The environment for an interpreter that is not the user's, such as a lane's."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def _run(command: list[str], name: str, job: dict, folder: Path) -> None:
    written, log = folder / f"{name}.job.json", folder / f"{name}.log"
    written.write_text(json.dumps(job))
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*command, str(written)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**QUIET, **LEAN, **clean_environment()},
        )
        try:
            status = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
    if status:
        raise ChildFailed(f"{name} {_ending(status)}{_last_line(log)}")
    written.unlink()
    log.unlink()


def _ending(status: int) -> str:
    if status == -9:
        return "was killed, most likely for want of memory; free some, or choose a smaller network"
    return f"died of signal {-status}" if status < 0 else "failed"


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = [line for line in lines if line and not line.startswith(("I0", "W0", "E0", "20"))]
    return f": {said[-1]}" if said else ""


def give_memory_back() -> None:
    """Collect models and activations, which lie in cycles, and return their pages to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
