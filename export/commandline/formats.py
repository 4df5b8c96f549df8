"""The formats that a command line asks for."""

import sys
from collections.abc import Iterable

from export.formats.names import NAMES
from export.names import choose

ALL = "all"


def all_of(wanted: Iterable[str], known: Iterable[str], kind: str, lead: str) -> list[str]:
    """The names asked for, `all` spelled out; an unknown one raises ValueError."""
    wanted = known if ALL in map(str.casefold, wanted) else wanted
    return list(dict.fromkeys(choose(name, known, kind, lead) for name in wanted))


def wanted_formats(asked: list[str], *, calibrated: bool) -> list[str]:
    """The formats asked for; `all` leaves out, and says so, those that cannot be made.

    Raises ValueError for one that is unknown, or asked for by its name without what it needs.
    """
    from export.formats import find_format

    wanted = all_of(asked, NAMES, "format", "known are")
    if ALL in map(str.casefold, asked):
        lacks = {
            name: find_format(name).missing or _lost(find_format(name).lane) for name in wanted
        }
        for why in dict.fromkeys(filter(None, lacks.values())):
            print(f"left out: {why}", file=sys.stderr)
        wanted = [name for name in wanted if not lacks[name]]
    lacking = [name for name in wanted if "calibration" in find_format(name).needs]
    if calibrated or not lacking:
        return wanted
    if ALL not in map(str.casefold, asked):
        raise ValueError(
            f"{lacking[0]} rounds activations by their ranges, which are taken from pictures; give "
            "a folder of them with --calibration, or --calibration synthetic to go ahead without"
        )
    print(f"left out, because they need --calibration: {', '.join(lacking)}", file=sys.stderr)
    return [name for name in wanted if name not in lacking]


def _lost(lane: str | None) -> str:
    """Say why a lane cannot be had; empty where it can, or none is needed."""
    from export.errors import MissingLane
    from export.lanes import check_lanes

    try:
        check_lanes([lane])
    except MissingLane as error:
        return f"{error}"
    return ""
