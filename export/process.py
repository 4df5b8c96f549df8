"""This process and its children, which end with it and whose output is kept in files."""

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from export.errors import ExportError, Shortage
from export.shortage import shortage, shortage_of_child

ROOT = Path(__file__).resolve().parents[1]
LOG_END = 64 << 10  # bytes of a child's log that are looked at
# How a line begins that TensorFlow or absl logs, whatever it is about.
LOGGED = ("I0", "W0", "E0", "F0", "20", "WARNING:", "***", "@ ", "terminate called")

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

# Waits for a command, the leader of the command's process group, and kills all of it when its own
# parent dies: what the command has started itself would not notice that.
FOLLOW = """\
import ctypes, os, signal, subprocess, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)  # the command's to answer; ignored it would stay so
signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGUSR1)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
status = subprocess.Popen(sys.argv[2:]).wait()
sys.exit(status if status >= 0 else 128 - status)
"""


class ChildFailed(ExportError):
    """A child process ended badly; the message has its last line."""


def run_script(python: Path, script: Path, job: dict, folder: Path) -> None:
    """Run `script` with the interpreter `python` on `job`, which it gets as a JSON file.

    Raises ChildFailed where it exits with anything but 0, and Shortage where that was for want of
    memory or of disk.
    """
    _run([str(python), "-c", RUN_SCRIPT, str(script)], script.stem, job, folder)


def run_module(module: str, job: dict, folder: Path) -> None:
    """Run one of our own modules, by this interpreter, on `job`."""
    name = module.rpartition(".")[2]
    _run([sys.executable, "-c", RUN_MODULE, str(ROOT), module], name, job, folder)


def start(command: list[str], **options) -> subprocess.Popen:
    """Start `command`, all of which ends with this process; `options` are Popen's.

    It is a group of its own, to be ended by `stop`.
    """
    follow = [sys.executable, "-c", FOLLOW, str(os.getpid()), *command]
    return subprocess.Popen(follow, start_new_session=True, **options)


def output_of(command: list[str], patience: float) -> tuple[int, bytes]:
    """Run `command`; return its exit status and what it printed on standard output.

    If this is interrupted, the command has `patience` seconds to clear up.
    """
    with start(command, stdout=subprocess.PIPE) as child:
        try:
            printed, _ = child.communicate()
        except BaseException:
            stop(child, patience)
            raise
    return child.returncode, printed


def stop(child: subprocess.Popen, patience: float = 0) -> None:
    """End what `start` started, with all that it has started; leave it `patience` seconds to."""
    if patience:
        _signal(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: subprocess.Popen, number: int) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(child.pid, number)


def clean_environment() -> dict[str, str]:
    """The environment for an interpreter that is not the user's, such as a lane's."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def _run(command: list[str], name: str, job: dict, folder: Path) -> None:
    written, log = folder / f"{name}.job.json", folder / f"{name}.log"
    content = json.dumps(job)
    try:
        written.write_text(content)
        output = log.open("wb")
    except OSError as error:
        raise shortage(error, [folder]) or error from error
    with output:
        child = subprocess.Popen(
            [*command, str(written)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
        )
        try:
            status = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
    if status:
        raise _failure(name, status, log)
    written.unlink()
    log.unlink()


def _failure(name: str, status: int, log: Path) -> ExportError:
    """Say why a child ended with `status`, in one line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_END))
        end = file.read().decode(errors="replace")
    if status == -signal.SIGKILL:
        return ChildFailed(
            f"{name} was killed, by somebody or by the system for want of memory; if nobody did, "
            "close other programs, or choose a smaller network"
        )
    short = shortage_of_child(end, log.parent)
    if short:
        return Shortage(f"{name} failed: {short}")
    how = f"died of signal {-status}" if status < 0 else "failed"
    if status == -signal.SIGABRT:
        how += ", as libraries do that find a fault, or no memory"
    return ChildFailed(f"{name} {how}{_last_line(end)}")


def _last_line(end: str) -> str:
    lines = [line.strip() for line in end.splitlines()]
    said = [line for line in lines if line and not line.startswith(LOGGED)]
    return f": {said[-1]}" if said else ""


def give_memory_back() -> None:
    """Collect models and activations, which lie in cycles, and return their pages to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
