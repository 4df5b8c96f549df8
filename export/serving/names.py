"""What a served model, and a file below a folder, may be called.

Reports and ledgers come from elsewhere, so a name in one is never joined to a path before it was
asked here.
"""

import re
from pathlib import PurePosixPath, PureWindowsPath

LONGEST_PART = 255  # bytes of one name on the usual file systems
LONGEST = 1024  # bytes of a path; the system's own limit is four times that
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_MODEL = 128


def check_name(name: str) -> str:
    """Return `name` if it can name a served model: a folder, and a part of a URL.

    Raises ValueError.
    """
    if not isinstance(name, str) or not _MODEL.fullmatch(name) or len(name) > LONGEST_MODEL:
        raise ValueError(
            f"a model's name has at most {LONGEST_MODEL} letters, digits, '_', '-' and '.', and "
            f"begins with a letter or a digit. Received: {name!r:.160}"
        )
    return name


def suggest(name: str) -> str:
    """Return a name near `name` that `check_name` takes."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name)).strip("-_.")
    return plain[:LONGEST_MODEL] or "my-model"


def check_path(name: str) -> str:
    """Return `name` if it names a file below a folder on any system, in one spelling.

    Raises ValueError.
    """
    why = _fault(name)
    if why:
        raise ValueError(f"{name!r:.160} cannot name a file of an artifact: {why}")
    return name


def check_root(root: str) -> str:
    """Return `root`, where a server sees the folder, if it is an absolute path that Compose takes.

    Raises ValueError.
    """
    path = PurePosixPath(str(root))
    bad = not path.is_absolute() or len(path.parts) < 2 or ".." in path.parts
    if bad or {":", "$"} & set(str(root)) or not str(root).isprintable():
        raise ValueError(
            f"the server sees the folder at an absolute path, below / and without ':' or '$', such "
            f"as /bundle. Received: {root!r:.160}"
        )
    return str(root).rstrip("/")


def _fault(name: str) -> str:
    """Say why `name` is no path below a folder, or "" if it is one."""
    if not isinstance(name, str) or not name:
        return "it is no text"
    if not name.isprintable():  # also what is no Unicode, and what turns the line around
        return "it has characters that cannot be printed"
    if "\\" in name or PureWindowsPath(name).drive or PureWindowsPath(name).root:
        return "it leaves the folder, or another system would read it so"
    path = PurePosixPath(name)
    if ".." in path.parts or path.is_absolute() or "/".join(path.parts) != name or name == ".":
        return "it leads outside its folder, or is not in its simplest form"
    parts = [len(part.encode()) for part in path.parts]
    if max(parts) > LONGEST_PART or len(name.encode()) > LONGEST:
        return f"it is longer than {LONGEST_PART} bytes a part, or {LONGEST} in all"
    return ""
