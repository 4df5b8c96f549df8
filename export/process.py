"""This process and its children, which end with it and whose output is kept in files."""

import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from export import child
from export.errors import ExportError, Shortage
from export.shortage import shortage, shortage_of_child

ROOT = Path(__file__).resolve().parents[1]
LOG_END = 64 << 10  # bytes of a child's log that are looked at
# How a line begins that TensorFlow or absl logs, whatever it is about.
LOGGED = ("I0", "W0", "E0", "F0", "20", "WARNING:", "***", "@ ", "terminate called")

if TYPE_CHECKING:  # numpy takes longer to import than --help may take
    import numpy as np

Arrays = dict[str, "np.ndarray"]
NO_DEFAULTS: Mapping[str, str] = {}  # environment variables
# The C library keeps freed memory for itself up to blocks of 32 MB, as soon as it has seen one.
LEAN = {"MALLOC_MMAP_THRESHOLD_": f"{4 << 20}"}
_in_this_process: ContextVar[bool] = ContextVar("in_this_process", default=False)

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
    """A child process ended badly; the message has its last line.

    `answer` is the last answer of its work that was kept, or None.
    """

    def __init__(self, message: str, answer: dict | None = None):
        super().__init__(message)
        self.answer = answer


def ask(
    module: str,
    job: dict,
    arrays: Arrays,
    scratch: Path,
    name: str = "",
    packages: Iterable[str] = (),
) -> tuple[dict, Arrays]:
    """Have one of our modules do its `work(job, arrays) -> (answer, arrays)` in another process.

    export/child.py says what `work` may be. `job` is what JSON holds; whatever passes between the
    two lies in a folder within `scratch`, which is gone at the end. `name` is what messages call
    the child, by default the module's last name; `packages` are as in `child_of`. `answer["error"]`
    says in one line what ended the work early, and is empty otherwise.

    Raises ChildFailed where the process dies, and Shortage where that is for want of memory or
    disk.
    """
    with child_of(module, scratch, name, packages) as one:
        return one.ask(job, arrays)


def ask_script(
    python: Path, script: Path, job: dict, arrays: Arrays, scratch: Path, name: str = ""
) -> tuple[dict, Arrays]:
    """Ask a script in the same way; for arrays its interpreter, `python`, needs numpy."""
    with child_of_script(python, script, scratch, name) as one:
        return one.ask(job, arrays)


def child_of(module: str, scratch: Path, name: str = "", packages: Iterable[str] = ()) -> "Child":
    """Start a process that imports the module now and does its work as often as it is asked.

    It imports `packages` as well, which its work needs: TensorFlow among them is without Keras.
    """
    if _in_this_process.get():
        return _Here(module)
    command = [sys.executable, child.__file__, module, str(ROOT), *packages]
    return _Process(command, name or module.rpartition(".")[2], scratch, LEAN)


def stand_in_for(module: str) -> "Child":
    """Return what does the work of a module in this process, for who has its packages loaded."""
    return _Here(module)


def child_of_script(python: Path, script: Path, scratch: Path, name: str = "") -> "Child":
    """Start a script in the same way, under the interpreter `python`."""
    return _Process([str(python), child.__file__, str(script)], name or script.stem, scratch)


@contextmanager
def in_this_process() -> Iterator[None]:
    """Have `ask` do the work in this process: for many small artifacts, and for tests."""
    token = _in_this_process.set(True)
    try:
        yield
    finally:
        _in_this_process.reset(token)


def failure(name: str, why: str, folder: Path) -> ExportError:
    """Return the error of a child that gave `why` as its last word: a Shortage, if it is one."""
    short = shortage_of_child(why, folder)
    return Shortage(f"{name} failed: {short}") if short else ChildFailed(f"{name} failed: {why}")


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
    """Return the environment for an interpreter that is not the user's, such as a lane's."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


class Child(Protocol):
    """A process that is asked again and again and keeps what it has loaded; ends with its block."""

    busy: bool  # whether it was given a job whose answer nobody has taken

    def begin(self, job: dict, arrays: Arrays, *, last: bool = False) -> None:
        """Give it a job, and go on with other work while it is done.

        After its `last` one it ends by itself, so it holds no memory until its answer is taken.
        """

    def answer(self) -> tuple[dict, Arrays]:
        """Wait for the answer to the job that it was given; raise as the function `ask`."""

    def ask(self, job: dict, arrays: Arrays) -> tuple[dict, Arrays]:
        """As the function `ask`."""

    def __enter__(self) -> "Child": ...

    def __exit__(self, *error) -> None: ...


class _Here:
    """Stands in for a child, within this process; works when it is asked for the answer."""

    def __init__(self, module: str):
        self.module = module
        self._job: tuple[dict, Arrays] | None = None

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *error) -> None:
        pass

    @property
    def busy(self) -> bool:
        return self._job is not None

    def begin(self, job: dict, arrays: Arrays, *, last: bool = False) -> None:
        self._job = job, arrays

    def ask(self, job: dict, arrays: Arrays) -> tuple[dict, Arrays]:
        self.begin(job, arrays)
        return self.answer()

    def answer(self) -> tuple[dict, Arrays]:
        (job, arrays), self._job = self._job, None
        work, made = importlib.import_module(self.module).work, {}
        for answer, more in child.answers(work, json.loads(json.dumps(job)), arrays):
            made |= more
            last = json.dumps(answer)
        return json.loads(last), made


class _Process:
    """A child in a process of its own; it reads the folders of jobs, and says when each is done."""

    def __init__(
        self,
        command: list[str],
        name: str,
        scratch: Path,
        defaults: Mapping[str, str] = NO_DEFAULTS,
    ):
        self.name, self.scratch = name, scratch
        self._job: tempfile.TemporaryDirectory | None = None  # the folder of what it works at
        try:
            self.log = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115, `__exit__` closes it
        except OSError as error:
            raise shortage(error, [scratch]) or error from error
        self.done, low = os.pipe()
        # Not one of the standard streams, which may be closed here and which the child gets anew.
        says_done = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
        try:
            self.running = subprocess.Popen(
                [*command[:2], str(says_done), *command[2:]],
                stdin=subprocess.PIPE,
                stdout=self.log,
                stderr=subprocess.STDOUT,
                env={**defaults, **clean_environment()},
                pass_fds=[says_done],
            )
        finally:
            os.close(says_done)

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, kind, *error) -> None:
        """Let an idle process go; end one that still works, whose answer nobody waits for.

        Does nothing the second time.
        """
        if self.log.closed:
            return
        if kind is not None or self.busy:
            self.running.kill()
        with suppress(BrokenPipeError):
            self.running.stdin.close()
        try:
            self.running.wait()
        except BaseException:
            self.running.kill()
            self.running.wait()
            raise
        finally:
            os.close(self.done)
            self.log.close()
            self._forget()

    @property
    def busy(self) -> bool:
        return self._job is not None

    def ask(self, job: dict, arrays: Arrays) -> tuple[dict, Arrays]:
        self.begin(job, arrays)
        return self.answer()

    def begin(self, job: dict, arrays: Arrays, *, last: bool = False) -> None:
        try:
            self._job = tempfile.TemporaryDirectory(prefix="child-", dir=self.scratch)
            child.write(Path(self._job.name), child.JOB, job, arrays)
        except OSError as error:
            self._forget()
            raise shortage(error, [self.scratch]) or error from error
        with suppress(BrokenPipeError):  # it has died, as its answer will tell
            line = json.dumps(self._job.name) + "\n"  # as ASCII, whatever the folder is called
            self.running.stdin.write(line.encode())
            self.running.stdin.flush()
            if last:
                self.running.stdin.close()

    def answer(self) -> tuple[dict, Arrays]:
        try:
            done = os.read(self.done, 1) == child.DONE  # nothing at its end
            folder = Path(self._job.name)
            answered = (folder / f"{child.ANSWER}.json").exists()
            answer, made = child.read(folder, child.ANSWER) if answered else (None, {})
        finally:
            self._forget()
        if not done:
            raise _death(self.name, self.running.wait(), self.log, self.scratch, answer)
        return answer, made

    def _forget(self) -> None:
        """Remove the folder of the last job, whose large arrays stay as long as they are used."""
        if self._job:
            self._job.cleanup()
            self._job = None


def _death(name: str, status: int, log: BinaryIO, folder: Path, answer) -> ExportError:
    """Say why a child ended with `status`, in one line."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_END))
    end = log.read().decode(errors="replace")
    if status == -signal.SIGKILL:
        return ChildFailed(
            f"{name} was killed, by somebody or by the system for want of memory; if nobody did, "
            "close other programs, or choose a smaller network",
            answer,
        )
    short = shortage_of_child(end, folder)
    if short:
        return Shortage(f"{name} failed: {short}")
    if status == 0:
        return ChildFailed(f"{name} ended without an answer", answer)
    how = f"died of signal {-status}" if status < 0 else "failed"
    if status == -signal.SIGABRT:
        how += ", as libraries do that find a fault, or no memory"
    return ChildFailed(f"{name} {how}{_last_line(end)}", answer)


def _last_line(end: str) -> str:
    lines = [line.strip() for line in end.splitlines()]
    said = [line for line in lines if line and not line.startswith(LOGGED)]
    return f": {said[-1]}" if said else ""
