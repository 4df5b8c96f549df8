"""Kill a piece of work just before each thing it does to files, and see what is left.

    python killing.py MODULE:SCENARIO FOLDER [MOST]

A scenario is an object with `reset`, `work`, `wrong` and `end_wrong`, each a function of a folder.
The work runs in a fork, which kills itself (SIGKILL) before its nth event, for every n (or about
MOST of them): opening for writing, renaming, removing, making, linking, changing modes, locking.
Prints a line of JSON: how many events there are, how many kills, and what was wrong after which.
"""

import importlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

EVENTS = (
    "open",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.",
    "fcntl.",
    "tempfile.",
    "ctypes.",
)
NEVER = 1 << 60


@dataclass
class Clock:
    """Counts events while it runs, and kills this process before the one numbered `at`."""

    at: int | None = None
    count: int = 0

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.at is None or not event.startswith(EVENTS):
            return
        if event == "open" and not _writes(arguments):
            return
        self.tick()

    def tick(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


CLOCK = Clock()


@dataclass
class Study:
    """What killing found."""

    events: int = 0
    killed: int = 0
    wrong: list[str] = field(default_factory=list)


def run(work, at: int) -> tuple[int, int]:
    """Run `work` in a fork, killed before its event `at`; return its status and its events."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            CLOCK.at, CLOCK.count = at, 0
            work()
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            CLOCK.at = None
            os.write(writing, str(CLOCK.count).encode())
            os._exit(status)
    os.close(writing)
    counted = os.read(reading, 32)
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), int(counted or 0)


def study(scenario, folder: Path, most: int = NEVER) -> Study:
    """Kill the work of `scenario` before each of its events, and let it run to its end after."""
    found = Study()
    scenario.reset(folder)
    status, found.events = run(lambda: scenario.work(folder), NEVER)
    if status:
        found.wrong.append(f"without a kill it ends with {status}")
    for at in range(1, found.events + 1, max(1, found.events // most)):
        scenario.reset(folder)
        status, _ = run(lambda: scenario.work(folder), at)
        found.killed += status == -signal.SIGKILL
        found.wrong += [f"killed at {at}: {text}" for text in scenario.wrong(folder)]
        status, _ = run(lambda: scenario.work(folder), NEVER)
        if status:
            found.wrong.append(f"killed at {at}: the next run ends with {status}")
        found.wrong += [f"after the run after {at}: {text}" for text in scenario.end_wrong(folder)]
    return found


def main(name: str, folder: str, most: str = str(NEVER)) -> None:
    module, _, scenario = name.partition(":")
    Path(folder).mkdir(parents=True, exist_ok=True)
    loaded = importlib.import_module(module)
    sys.addaudithook(CLOCK)
    found = study(getattr(loaded, scenario)(), Path(folder), int(most))
    print(json.dumps({"events": found.events, "killed": found.killed, "wrong": found.wrong}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import killing  # this file, by the name under which scenarios may import it

    killing.main(*sys.argv[1:])
