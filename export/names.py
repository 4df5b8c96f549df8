"""Find what a person means by a name: case does not matter, and near misses are suggested."""

import difflib
from collections.abc import Iterable

NEAR = 0.75  # the ratio of difflib from which a name may have been meant


def choose(name: str, known: Iterable[str], kind: str, lead: str = "known are") -> str:
    """Return the name in `known` that equals `name`, apart from upper and lower case.

    Raises ValueError if there is none; its one line suggests similar names and lists all of them.
    """
    by_spelling = {one.casefold(): one for one in known}
    if name.casefold() in by_spelling:
        return by_spelling[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), by_spelling, n=3, cutoff=NEAR)
    meant = f"; did you mean {' or '.join(by_spelling[one] for one in near)}?" if near else ";"
    raise ValueError(
        f"no {kind} is called {name!r}{meant} {lead} {', '.join(by_spelling.values())}"
    )


def folder_name(model: str) -> str:
    """Return a model's name, which becomes a folder's; raise ValueError where it cannot be one."""
    if not model or model in (".", "..") or "/" in model:
        raise ValueError(f"a model's name becomes a folder's, and {model!r} cannot be one")
    return model
