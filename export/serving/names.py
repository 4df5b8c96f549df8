"""Which names a served model, and the folder that a server sees, may have.

Reports and ledgers may come from anybody, so a name in one is checked here before it is used.
"""

import re
from pathlib import PurePosixPath

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
    """Return a name like `name` that `check_name` accepts."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name)).strip("-_.")
    return plain[:LONGEST_MODEL] or "my-model"


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
