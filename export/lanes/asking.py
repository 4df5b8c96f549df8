"""Ask a lane to do something: its scripts run as child processes, under its own interpreter."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import MissingLane
from export.lanes.lane import Lane
from export.lanes.registry import make
from export.process import (
    Arrays,
    Child,
    ChildFailed,
    child_of_script,
    clean_environment,
    failure,
)


class LaneChild:
    """One of a lane's scripts in a process of its own; see `export.process.Child`."""

    def __init__(self, lane: Lane, child: Child):
        self._lane, self._child = lane, child

    def begin(self, job: dict, arrays: Arrays, *, last: bool = False) -> None:
        """Give it a job, and go on with other work while it is done; it ends after its `last`."""
        self._child.begin(job, arrays, last=last)

    def ask(self, job: dict, arrays: Arrays) -> tuple[dict, Arrays]:
        """Ask as `export.process.ask` does; raise MissingLane if a failure is the lane's fault."""
        self.begin(job, arrays)
        return self.answer()

    def answer(self) -> tuple[dict, Arrays]:
        """Wait for the answer to the job that it was given."""
        try:
            answer, made = self._child.answer()
        except ChildFailed as error:
            _refuse_damaged(self._lane, error)
            raise
        if answer["error"]:
            _refuse_damaged(self._lane)
        return answer, made


@contextmanager
def child_in_lane(name: str, script: str, scratch: Path, *, about: str = "") -> Iterator[LaneChild]:
    """Start one of the lane's scripts, to be asked as often as is needed; messages call it `about`.

    Raises MissingLane where there is no such lane.
    """
    lane = make(name)
    with child_of_script(lane.python, lane.home / script, scratch, about) as child:
        yield LaneChild(lane, child)


def ask_in_lane(
    name: str, script: str, job: dict, arrays: Arrays, scratch: Path, *, about: str = ""
) -> tuple[dict, Arrays]:
    """Have one of the lane's scripts do its `work` on `job`, once."""
    with child_in_lane(name, script, scratch, about=about) as child:
        return child.ask(job, arrays)


def run_in_lane(
    name: str, script: str, job: dict, arrays: Arrays, scratch: Path, *, about: str = ""
) -> tuple[dict, Arrays]:
    """Do the same for work that has to succeed: raise ChildFailed or Shortage for an `error`."""
    answer, made = ask_in_lane(name, script, job, arrays, scratch, about=about)
    need_success(answer, about or Path(script).stem, scratch)
    return answer, made


def need_success(answer: dict, name: str, scratch: Path) -> None:
    """Raise ChildFailed or Shortage for an answer of work called `name` that ended in an error."""
    if answer["error"]:
        raise failure(name, answer["error"], scratch)


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
