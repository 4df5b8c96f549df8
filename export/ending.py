"""How the command lines end: one line on standard error and an exit status, never a traceback."""

import atexit
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from export.commandline.spelling import spelled
from export.errors import ExportError, Shortage
from export.lazy import install
from export.printable import printable
from export.shortage import shortage

IMPOSSIBLE, INTERRUPTED, UNREAD = 2, 130, 141  # a shell's numbers for Ctrl-C and a closed pipe
USUAL = (ExportError, ValueError, OSError, MemoryError, ModuleNotFoundError)
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


LAST_WORDS = 'trap "" INT TERM HUP; read -r word || echo "$1" >&2'
CRASHED = (
    "error: this process crashed or was killed, most often for want of memory: close other "
    "programs, or choose a smaller network, and run it again"
)


class Ended(KeyboardInterrupt):
    """A signal asked this process to end."""

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number


@contextmanager
def ending(
    *, verbose: bool = False, interrupted: str = "interrupted", extra: str = ""
) -> Iterator[None]:
    """End the program with one line and an exit status for whatever users can cause.

    The status is 2 for an error; 130 for Ctrl-C, and then `interrupted` says what became of the
    work; 128 and the signal's number for SIGTERM or SIGHUP; and 141, without a line, if nobody
    reads what is printed. With `verbose` errors keep their traceback. `extra` names the extra of
    setup.cfg that this command line needs.
    """
    _have_streams()
    with _last_words(), _signals() as came:
        try:
            yield
            _flush()
        except KeyboardInterrupt as error:
            _free_quietly(error)
            _end(getattr(error, "status", INTERRUPTED), interrupted)
        except BrokenPipeError:  # the reader of a pipe left, as `head` does, and nobody minds
            _forget_output()
            sys.exit(UNREAD)
        except Exception as error:
            if came:  # a terminal that went away fails whoever writes to it on the way out
                _end(128 + came[0], interrupted)
            short = shortage(error)
            if verbose or (short is None and not isinstance(error, USUAL)):
                raise
            _end(IMPOSSIBLE, f"error: {spelled(_line(short or error, extra))}")


def _have_streams() -> None:
    """Make sure that the standard streams exist and take any text, even if the caller closed them.

    Python sets a closed stream to None and prints errors to standard output if standard error is
    closed. The next file that is opened gets the free number, and libraries then write into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_null(number)
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115, PTH123
    # Work is done by the time its result is printed: a name that ASCII lacks is no failure.
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _open_null(number: int) -> None:
    """Open the null device as file descriptor `number`, unless that is open already."""
    try:
        os.fstat(number)
    except OSError:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)


def leave(status: int) -> NoReturn:
    """End this process, as a script does with the `status` of its `main`.

    TensorFlow takes 1.5 s of a processor to clear up what the system frees at once.
    """
    if "tensorflow" in sys.modules:
        atexit._run_exitfuncs()  # as the interpreter does before it clears up
        _flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _flush() -> None:
    """Write out what was printed; raise Shortage if the disk is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_output()
        why = error.strerror.lower()
        raise Shortage(f"cannot write to standard output: {why}") from error


def _forget_output() -> None:
    """Discard what is still to be printed, because Python would try again as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _last_words() -> Iterator[None]:
    """Have a shell print a line if this process is killed or aborts.

    Libraries in C++ abort when memory runs out, and no code of this process runs after that. The
    shell waits until it is told that all is well, or until the pipe closes.
    """
    try:
        shell = subprocess.Popen(
            ["/bin/sh", "-c", LAST_WORDS, "sh", CRASHED],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",  # ours may be gone, which a shell complains of
        )
    except OSError:  # no shell, or no room for one: the system's own words have to do
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            shell.stdin.write(b"well\n")
            shell.stdin.close()
        shell.wait()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Raise Ended in the main thread on SIGTERM and SIGHUP; give the list of those that came.

    A signal that is ignored, as under nohup, or that has a handler already is left alone.
    """
    came = []

    def end(number, _):
        if not came:  # a second one would cut short the clearing up
            came.append(number)
            raise Ended(number)

    ours = threading.current_thread() is threading.main_thread()
    taken = [n for n in ENDING if ours and signal.getsignal(n) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield came
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _line(error: Exception, extra: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed; {install(extra)}"
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
        if error.filename:
            return f"{os.fsdecode(error.filename)}: {reason}"
        return reason if _has_folder() else "this folder was deleted; change into another one"
    return f"{error}"


def _has_folder() -> bool:
    """Tell whether the current folder is still there."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return False
    return True


def _fitting(line: str) -> str:
    """`line` as it is; on a terminal, which would break it inside words, broken between them."""
    if not sys.stderr.isatty():
        return line
    columns = os.get_terminal_size(sys.stderr.fileno()).columns
    if not 0 < columns < len(line):
        return line
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, columns, subsequent_indent="  ", **whole)


def _free_quietly(error: BaseException) -> None:
    """Free what the interrupted functions hold, and print nothing of what complains about it.

    An object whose making was interrupted may fail as it is freed, and Python would print that
    below the line in which the program ends.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__context__
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _end(status: int, line: str):
    try:
        print(_fitting(printable(" ".join(line.splitlines()), None)), file=sys.stderr, flush=True)
    except OSError:  # the terminal is gone, and nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(status)
