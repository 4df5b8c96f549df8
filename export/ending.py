"""How the command lines end: one line on standard error and an exit status, never a traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from export.errors import ExportError

IMPOSSIBLE, INTERRUPTED, UNREAD = 2, 130, 141  # a shell's numbers for Ctrl-C and a closed pipe
USUAL = (ExportError, ValueError, OSError, MemoryError, ModuleNotFoundError)


@contextmanager
def ending(
    *, verbose: bool = False, interrupted: str = "interrupted", extra: str = ""
) -> Iterator[None]:
    """Have what users can cause end the program in one line.

    That is exit status 2, and 130 on Ctrl-C, where `interrupted` says what became of the work; 141,
    and no line, where nobody reads what is printed. With `verbose` errors keep their trace. `extra`
    names the part of setup.cfg that a command line needs over the package itself.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        _end(INTERRUPTED, interrupted)
    except BrokenPipeError:  # the reader of a pipe left, as `head` does, and nobody minds
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
    except USUAL as error:
        if verbose:
            raise
        _end(IMPOSSIBLE, f"error: {_line(error, extra)}")


def _line(error: Exception, extra: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        here = f".[{extra}]" if extra else "."
        return f"{error.name} is not installed; in the toolkit's folder run pip install -e '{here}'"
    if isinstance(error, MemoryError):
        return f"{error}" or "not enough memory; close other programs"
    return f"{error}"


def _end(status: int, line: str):
    print(line, file=sys.stderr)
    sys.exit(status)
