"""Every lane that there is: a folder beside this file, and a word in ALL."""

from collections.abc import Iterable
from pathlib import Path

from export.lanes import tf217, tfmot
from export.lanes.lane import Lane, State, lanes_folder
from export.lanes.making import make_lane, refuse_impossible, state_of
from export.progress import Progress, silent

ALL: tuple[Lane, ...] = (tf217.LANE, tfmot.LANE)
LANES = {lane.name: lane for lane in ALL}


def find_lane(name: str) -> State:
    """Say whether the lane called `name` is there, or could be."""
    return state_of(LANES[name])


def check_lanes(names: Iterable[str | None]) -> None:
    """Raise MissingLane if one of the lanes called `names` is not there and cannot be made."""
    for name in dict.fromkeys(names):
        if name:
            refuse_impossible(LANES[name])


def make(name: str, progress: Progress = silent) -> Lane:
    """Return the lane called `name`, made now if it is not there yet.

    Raises MissingLane where it cannot be made.
    """
    make_lane(LANES[name], progress)
    return LANES[name]


def leftovers() -> list[Path]:
    """Return folders of lanes that this version of the toolkit does not use, or left half made."""
    used = {lane.folder for lane in LANES.values()}
    return [
        path
        for path in sorted(lanes_folder().glob("*"))
        if path.is_dir() and path.name.startswith(tuple(LANES)) and path not in used
    ]
