"""Where the time and the memory of an export go: by stage, and by process.

The process tree of a command is sampled. A stage lasts from one line of its progress to the next,
as export/commandline/display.py writes them.
"""

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from export.cost import is_a_copy

INTERVAL = 0.05  # seconds between samples
FIRST = "starting"  # the stage before the first line
LAST, ALL = "ending", "in all"  # the stage after the last line, which is about all of an export
LINE = re.compile(r"^ *[\d.]+ s +(in all|\S+) +(.+)$")  # seconds, what it is about, what is done


@dataclass
class Part:
    """What one process took in a stage; of several of one kind the times add up."""

    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


@dataclass
class Stage:
    """A stage of all networks of an export together; `peak_rss_bytes` is of all processes at once.

    Resident memory is added up over them, so pages that they share count in each.
    """

    name: str
    wall_s: float = 0.0
    peak_rss_bytes: int = 0
    parts: dict[str, Part] = field(default_factory=dict)  # by what runs in a process


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a command took."""

    wall_s: float
    cpu_s: float
    status: int  # its exit status
    stages: tuple[Stage, ...]

    @property
    def peak_rss_bytes(self) -> int:
        return max((stage.peak_rss_bytes for stage in self.stages), default=0)


def profile(command: list[str]) -> Profile:
    """Run `command`, whose output is dropped, and return what each stage of it took."""
    import psutil

    began, watched = time.monotonic(), _Watched()
    with psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        reader = threading.Thread(target=watched.read, args=(running.stderr,))
        reader.start()
        while running.poll() is None:
            watched.sample(running)
            time.sleep(INTERVAL)
        reader.join()
    return Profile(
        wall_s=time.monotonic() - began,
        cpu_s=sum(watched.spent.values()),
        status=running.returncode,
        stages=tuple(watched.stages.values()),
    )


class _Watched:
    """The stages of a command so far, and what each of its processes had spent when last seen."""

    def __init__(self):
        self.stages: dict[str, Stage] = {}
        self.spent: dict[int, float] = {}  # CPU seconds by process
        self._names: dict[int, str] = {}
        self._now, self._last = FIRST, time.monotonic()

    def read(self, lines) -> None:
        for line in lines:
            if found := LINE.match(line.decode(errors="replace").rstrip()):
                self._now = LAST if found[1] == ALL else found[2]

    def sample(self, process) -> None:
        """Book what was spent since the last sample to the stage that there is now."""
        import psutil

        stage, now, total = self.stages.setdefault(self._now, Stage(self._now)), time.monotonic(), 0
        stage.wall_s, self._last = stage.wall_s + now - self._last, now
        for one in _tree(process):
            try:
                times = one.cpu_times()
                resident = 0 if is_a_copy(one) else one.memory_info().rss
                name = self._name(one)
            except psutil.Error:
                continue  # it ended meanwhile
            part = stage.parts.setdefault(name, Part())
            spent = times.user + times.system
            part.cpu_s += spent - self.spent.get(one.pid, 0.0)
            part.peak_rss_bytes = max(part.peak_rss_bytes, resident)
            self.spent[one.pid] = spent
            total += resident
        stage.peak_rss_bytes = max(stage.peak_rss_bytes, total)

    def _name(self, process) -> str:
        """What runs in a process: a script, or the last name of the module that a child runs."""
        if process.pid not in self._names:
            words = [Path(word).name for word in process.cmdline() if not word.startswith("-")]
            scripts = [at for at, word in enumerate(words) if word.endswith(".py")]
            if not scripts:
                return words[0] if words else "?"
            at = scripts[0]
            child = words[at] == "child.py" and len(words) > at + 2
            self._names[process.pid] = words[at + 2].removeprefix("export.") if child else words[at]
        return self._names[process.pid]


def _tree(process) -> list:
    import psutil

    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
