"""Kill a piece of work just before each thing it does to files, and see what is left.

    python killing.py MODULE:SCENARIO FOLDER [MOMENTS]

A scenario is an object with `reset`, `work`, `wrong` and `end_wrong`, each a function of a folder.
The work runs in a fork, which kills itself (SIGKILL) before its nth event, for every n, or which is
killed at as many random MOMENTS. Events are: opening for writing, renaming, removing, making,
linking, changing modes, locking.
Prints a line of JSON: how many events there are, how many kills, and what was wrong after which.
"""

import importlib
import json
import os
import random
import signal
import sys
import time
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


def study(scenario, folder: Path) -> Study:
    """Kill the work of `scenario` before each of its events, and let it run to its end after."""
    found = Study()
    scenario.reset(folder)
    status, found.events = run(lambda: scenario.work(folder), NEVER)
    if status:
        found.wrong.append(f"without a kill it ends with {status}")
    for at in range(1, found.events + 1):
        scenario.reset(folder)
        status, _ = run(lambda: scenario.work(folder), at)
        found.killed += status == -signal.SIGKILL
        found.wrong += [f"killed at {at}: {text}" for text in scenario.wrong(folder)]
        status, _ = run(lambda: scenario.work(folder), NEVER)
        if status:
            found.wrong.append(f"killed at {at}: the next run ends with {status}")
        found.wrong += [f"after the run after {at}: {text}" for text in scenario.end_wrong(folder)]
    return found


def study_moments(scenario, folder: Path, count: int) -> Study:
    """Kill the work of `scenario` at `count` random moments, each after the run before it."""
    found, moments = Study(), random.Random(0)
    scenario.reset(folder)
    began = time.monotonic()
    run(lambda: scenario.work(folder), NEVER)
    takes = time.monotonic() - began
    while found.killed < count:
        child = os.fork()
        if not child:
            try:
                scenario.work(folder)
            finally:
                os._exit(0)
        time.sleep(moments.uniform(0, takes))
        os.kill(child, signal.SIGKILL)
        found.killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        found.wrong += [f"kill {found.killed}: {text}" for text in scenario.wrong(folder)]
    run(lambda: scenario.work(folder), NEVER)
    found.wrong += [f"at the end: {text}" for text in scenario.end_wrong(folder)]
    return found


def main(name: str, folder: str, moments: str = "0") -> None:
    module, _, scenario = name.partition(":")
    Path(folder).mkdir(parents=True, exist_ok=True)
    loaded = importlib.import_module(module)
    work = getattr(loaded, scenario)()
    if int(moments):
        found = study_moments(work, Path(folder), int(moments))
    else:
        sys.addaudithook(CLOCK)
        found = study(work, Path(folder))
    print(json.dumps({"events": found.events, "killed": found.killed, "wrong": found.wrong}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import killing  # this file, by the name under which scenarios may import it

    killing.main(*sys.argv[1:])
