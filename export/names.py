"""Finds what a person means by a name: case does not matter, and a near miss is told."""

import difflib
from collections.abc import Iterable

NEAR = 0.75  # the ratio of difflib from which a name may have been meant


def choose(name: str, known: Iterable[str], kind: str, lead: str = "known are") -> str:
    """Return the one of `known` that `name` spells, in whatever case.

    Raises ValueError, in one line with the nearest names and all of them, where none does.
    """
    by_spelling = {one.casefold(): one for one in known}
    if name.casefold() in by_spelling:
        return by_spelling[name.casefold()]
    near = difflib.get_close_matches(name.casefold(), by_spelling, n=3, cutoff=NEAR)
    meant = f"; did you mean {' or '.join(by_spelling[one] for one in near)}?" if near else ";"
    raise ValueError(
        f"no {kind} is called {name!r}{meant} {lead} {', '.join(by_spelling.values())}"
    )
