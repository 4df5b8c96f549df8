"""The name that a model's artifacts lie under."""

import re

from keras_nets.errors import SourceError

LONGEST = 100  # characters; file systems take 255 bytes, and staging adds a few of its own


def safe_name(name: str) -> str:
    """Return `name` as the name of one folder: letters, digits, and `.`, `_` and `-` inside.

    Raises SourceError where nothing of it is left.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:LONGEST].strip(".-")
    if not safe:
        raise SourceError(
            f"{name!r} cannot name a folder; choose a name of letters and digits with --name"
        )
    return safe
