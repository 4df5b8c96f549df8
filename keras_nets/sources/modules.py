"""Imports modules of the user's, from the folder a command is run in as from anywhere on the path.

Importing runs a module's code. That is what the user asks for by naming it; where a report names
it, only the user's own modules are taken: see `is_own`.
"""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from keras_nets.errors import SourceError
from keras_nets.quiet import import_quietly


@contextlib.contextmanager
def running(doing: str) -> Iterator[None]:
    """Run code of the user's: what it prints goes to standard error, what it raises is one line.

    The current folder comes first on the path meanwhile, as for `python file.py`, and last
    afterwards, for what the code imports late.
    """
    import_quietly("keras")  # ours and not a keras.py of that folder
    here = os.getcwd()  # noqa: PTH109
    sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except SourceError:
        raise
    except (Exception, SystemExit) as error:
        raise SourceError(f"{doing} failed: {described(error)}") from error
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def count_names_anew() -> None:
    """Have Keras name layers as in a process that has made none: `dense`, and not `dense_1`.

    Weights are known by the names of their layers, and a model that is built again has to have the
    same. Raises nothing, and leaves the user's policy of types as it is.
    """
    import_quietly("keras")
    import keras

    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(policy)


def import_module(name: str, option: str):
    """Return the module called `name`, which `option` asks for; SourceError where that fails."""
    with running(f"importing {name}, for {option},"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if name != missing and not name.startswith(f"{missing}."):
                raise SourceError(
                    f"{option} needs {missing!r}, which {name} imports and which is not installed; "
                    "install it"
                ) from error
            raise SourceError(
                f"{option}: there is no module {missing!r}; run this in the folder that holds it, "
                "or put that folder on PYTHONPATH"
            ) from error


def registered(names: Iterable[str]) -> dict:
    """Import the modules of --custom-objects and return their classes and functions by name.

    What they register with Keras needs no name here; older files know classes by name alone.
    """
    found = {}
    for name in names:
        module = import_module(name, f"--custom-objects {name}")
        own = (one for one in vars(module).items() if _is_defined_in(module, one[1]))
        found |= {key: value for key, value in own if not key.startswith("_")}
    return found


def is_own(name: str) -> bool:
    """Whether the user's own folders hold a module: the current one, or one of PYTHONPATH.

    What is installed for everybody holds functions that can do anything, such as run a command.
    """
    folders = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # noqa: PTH109
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return False
    return PathFinder.find_spec(top, folders) is not None


def described(error: BaseException) -> str:
    """An exception in one line, with the place in a file that raised it where there is one."""
    text = " ".join(str(error).split())[:300]
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if not _is_ours(step.filename)]
    if isinstance(error, SyntaxError) and error.filename:  # who read the file is no help
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    return f"{line} ({own[-1].filename}:{own[-1].lineno})" if own else line


def _is_ours(path: str) -> bool:
    return path.startswith("<") or "site-packages" in Path(path).parts or "keras_nets" in path


def _is_defined_in(module, value) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__
