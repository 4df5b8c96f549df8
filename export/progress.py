"""How work reports what it is doing: to a function of two texts, which may have a method `bar`.

`progress(about, doing)` is called when something begins; `about` names a network, a format or a
lane. `progress.bar(about, done, total, unit)` is called while an amount grows. Any function of two
texts can be a `progress`; if it has no `bar`, amounts are not reported.
"""

from collections.abc import Callable

BYTES = "bytes"
DONE = "done"  # what is being done when all is

Progress = Callable[[str, str], None]  # (what it is about, what is being done)
Bar = Callable[[str, float, float | None, str], None]  # (about, done, total if known, unit)


def silent(about: str, doing: str) -> None:
    """Show no progress."""


def no_bar(about: str, done: float, total: float | None, unit: str) -> None:
    """Show no amount."""


def bar_of(progress: Progress) -> Bar:
    """Return the `bar` of `progress`, or a function that shows nothing if it has none."""
    return getattr(progress, "bar", no_bar)
