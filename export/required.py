"""Checks that must have been made: one that was skipped, or never made, then fails."""

from collections.abc import Iterable
from dataclasses import replace

from export.names import choose
from export.results import Check, Status

NAMES = (  # of every check, in the order of a report; a test compares them with the checks
    "hashes",
    "params",
    "weights",
    "ranges",
    "graph",
    "contract",
    "parity",
    "engine",
    "fp16-range",
    "compression",
    "power",
)
NO_SUCH = "this format has no such check"
ABSENT = {  # why a check that exists may not have been made
    "hashes": "tools/verify.py compares hashes, unless --ignore-hash is given",
    "power": "it is made with --strict",
    "compression": "no compression.json lies beside the model",
}


def known_checks(names: Iterable[str]) -> tuple[str, ...]:
    """The checks that `names` spell, each once; an unknown one raises ValueError."""
    return tuple(dict.fromkeys(choose(name, NAMES, "check") for name in names))


def require(checks: Iterable[Check], names: Iterable[str]) -> tuple[Check, ...]:
    """Return `checks`, failed where one of `names` was skipped; one that is not there is added."""
    checks, names = tuple(checks), tuple(names)
    made = {check.name for check in checks}
    absent = (name for name in names if name not in made)
    return (
        *(_made(check) if check.name in names else check for check in checks),
        *(_failed(Check(name, Status.SKIPPED), ABSENT.get(name, NO_SUCH)) for name in absent),
    )


def _made(check: Check) -> Check:
    if check.status is not Status.SKIPPED:
        return check
    return _failed(check, f"skipped: {check.note}")


def _failed(check: Check, why: str) -> Check:
    details = {**check.details, "reason": "required"}
    return replace(check, status=Status.FAILED, note=f"required, but {why}", details=details)
