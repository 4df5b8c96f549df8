"""Ask a lane to do something: its scripts run as child processes, under its own interpreter."""

import subprocess
from pathlib import Path

from export.errors import MissingLane
from export.lanes.lane import Lane
from export.lanes.registry import make
from export.process import Arrays, ChildFailed, ask_script, clean_environment, failure


def ask_in_lane(
    name: str, script: str, job: dict, arrays: Arrays, scratch: Path, *, about: str = ""
) -> tuple[dict, Arrays]:
    """Have one of the lane's scripts do its `work` on `job`; see `export.process.ask`.

    Messages call it `about`. Raises MissingLane where it fails and that is the lane's fault.
    """
    lane = make(name)
    try:
        answer, made = ask_script(lane.python, lane.home / script, job, arrays, scratch, about)
    except ChildFailed as error:
        _refuse_damaged(lane, error)
        raise
    if answer["error"]:
        _refuse_damaged(lane)
    return answer, made


def run_in_lane(
    name: str, script: str, job: dict, arrays: Arrays, scratch: Path, *, about: str = ""
) -> tuple[dict, Arrays]:
    """The same, of work that has to succeed: raises ChildFailed or Shortage for an `error`."""
    answer, made = ask_in_lane(name, script, job, arrays, scratch, about=about)
    if answer["error"]:
        raise failure(about or Path(script).stem, answer["error"], scratch)
    return answer, made


def _refuse_damaged(lane: Lane, cause: Exception | None = None) -> None:
    """Raise MissingLane if what failed in a lane failed because of it."""
    if not _can_import(lane):
        raise MissingLane(
            f"the lane {lane.name} at {lane.folder} is damaged; delete that folder, and the next "
            "run makes it again"
        ) from cause


def _can_import(lane: Lane) -> bool:
    command = [lane.python, "-c", lane.probe]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, check=False)
    return done.returncode == 0
