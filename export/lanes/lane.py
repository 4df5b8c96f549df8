"""What a lane is, where it lives, and how it is made: once, whole, and by one process at a time."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.errors import MissingLane
from export.lanes.interpreters import find_interpreter
from export.process import ChildFailed, clean_environment, following, run_script

HERE = Path(__file__).resolve().parent
RECEIPT = "lane.json"  # written last; a folder without it is not a lane
PROBE = "import tensorflow.python.compiler.tensorrt.trt_convert"  # what a whole lane can do

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Lane:
    """A private environment: its pinned requirements and where they install."""

    name: str
    purpose: str
    pythons: tuple[tuple[int, int], ...]  # newest first
    download_mb: int
    disk_mb: int
    minutes: int  # on two cores with an ordinary connection

    @property
    def requirements(self) -> Path:
        return HERE / f"{self.name}.txt"

    @property
    def folder(self) -> Path:
        return lanes_folder() / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def pins(self) -> dict[str, str]:
        """The version of each package that the requirements name."""
        lines = (line.partition(" ")[0] for line in self.requirements.read_text().splitlines())
        return dict(line.split("==") for line in lines if "==" in line)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()


@dataclass(frozen=True)
class State:
    """Whether a lane is `ready`, `possible` or `impossible`, why, and what to do."""

    lane: Lane
    status: str
    why: str
    fix: str = ""


LANES = {
    lane.name: lane
    for lane in (
        Lane(
            "tf217",
            "TensorFlow 2.17.1, the last with TF-TRT",
            ((3, 12), (3, 11), (3, 10), (3, 9)),
            download_mb=640,
            disk_mb=2000,
            minutes=2,
        ),
    )
}


def lanes_folder() -> Path:
    """Where lanes live: `KERAS_NETS_LANES`, or a folder in the user's cache."""
    given = os.environ.get("KERAS_NETS_LANES")
    if given:
        return Path(given).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("keras-nets")) / "lanes"


def find_lane(name: str) -> State:
    """Say whether the lane called `name` is there, or could be."""
    lane = LANES[name]
    if _is_ready(lane):
        return State(lane, "ready", f"made at {lane.folder}")
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        return State(
            lane,
            "impossible",
            f"it needs Linux x86-64, and this is {machine}",
            "export on such a machine, or in a container for linux/amd64",
        )
    interpreter = find_interpreter(lane.pythons)
    if not interpreter:
        oldest, newest = lane.pythons[-1], lane.pythons[0]
        return State(
            lane,
            "impossible",
            f"it needs Python {_dotted(oldest)} to {_dotted(newest)} with venv, this is "
            f"{platform.python_version()}, and no other was found",
            f"install Python {_dotted(newest)} with its venv module so that "
            f"python{_dotted(newest)} is on the PATH",
        )
    above = _first_existing(lane.folder)
    free = shutil.disk_usage(above).free // 10**6
    if free < lane.disk_mb:
        return State(
            lane,
            "impossible",
            f"it takes {lane.disk_mb} MB and {above} has {free} MB free",
            "free some, or set KERAS_NETS_LANES to a folder on a larger disk",
        )
    if not above.is_dir() or not os.access(above, os.W_OK):
        return State(
            lane,
            "impossible",
            f"{above} is {'not writable' if above.is_dir() else 'no folder'}",
            "set KERAS_NETS_LANES to a folder that is",
        )
    return State(lane, "possible", f"will be made on first use with {interpreter}")


def make(name: str, progress: Progress = lambda text: None) -> Lane:
    """Return the lane called `name`, made now if it is not there yet.

    `progress` is called with lines to show. Raises MissingLane where it cannot be made.
    """
    lane = LANES[name]
    if _is_ready(lane):
        return lane
    state = find_lane(name)
    if state.status == "impossible":
        raise MissingLane(f"the lane {name} cannot exist here: {state.why}; {state.fix}")
    import filelock

    try:
        lane.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(lane.folder.parent / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            progress(f"waiting for another process that is making the lane {name}")
            lock.acquire()
        try:
            if not _is_ready(lane):
                _make(lane, find_interpreter(lane.pythons), progress)
        finally:
            lock.release()
    except OSError as error:
        raise MissingLane(f"the lane {name} could not be made at {lane.folder}: {error}") from error
    return lane


def run_in_lane(name: str, script: str, job: dict, folder: Path) -> None:
    """Run one of the lane scripts beside this file on `job`; scratch files go to `folder`.

    Raises ChildFailed where it fails, and MissingLane where that is the lane's fault.
    """
    lane = make(name)
    try:
        run_script(lane.python, HERE / script, job, folder)
    except ChildFailed as error:
        if not _can_import(lane):
            raise MissingLane(
                f"the lane {name} at {lane.folder} is damaged; delete that folder, and the next "
                "run makes it again"
            ) from error
        raise


def _can_import(lane: Lane) -> bool:
    command = [lane.python, "-c", PROBE]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, check=False)
    return done.returncode == 0


def _is_ready(lane: Lane) -> bool:
    try:
        requirements = json.loads((lane.folder / RECEIPT).read_text())["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return requirements == lane.digest and os.access(lane.python, os.X_OK)


def _make(lane: Lane, interpreter: Path, progress: Progress) -> None:
    """Make the lane beside its place, and rename it there when it is whole."""
    partial = lane.folder.with_name(f"{lane.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    progress(
        f"making the lane {lane.name} ({lane.purpose}) at {lane.folder}: once, about "
        f"{lane.download_mb} MB to download, {lane.disk_mb / 1000:.1f} GB on disk, "
        f"{lane.minutes} minutes"
    )
    started = time.monotonic()
    try:
        _step([str(interpreter), "-m", "venv", str(partial)], lane, progress)
        pip = [str(partial / "bin" / "python"), "-m", "pip"]
        options = ["--disable-pip-version-check", "--no-input", "--no-compile"]
        install = ["install", "-r", str(lane.requirements)]
        _step([*pip, *install, *options], lane, progress)
        _step([str(partial / "bin" / "python"), "-c", PROBE], lane, progress)
        receipt = {"requirements": lane.digest, "made_with": str(interpreter)}
        (partial / RECEIPT).write_text(json.dumps(receipt))
        if lane.folder.exists():  # made from other requirements, or damaged
            shutil.rmtree(lane.folder)
        partial.rename(lane.folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    progress(f"made the lane {lane.name} in {time.monotonic() - started:.0f} s")


def _step(command: list[str], lane: Lane, progress: Progress) -> None:
    """Run `command`, showing what it prints; raise MissingLane with its last words if it fails."""
    said = []
    with subprocess.Popen(
        following(command),  # or the pip of a killed export would go on writing into the next one's
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=clean_environment() | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as child:
        try:
            for line in child.stdout:
                said = [*said[-20:], line.strip()]
                if line.startswith(("Collecting", "Installing")):
                    progress(f"{lane.name}: {line.strip()[:100]}")
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        errors = [line for line in said if line.startswith("ERROR")] or said or ["it said nothing"]
        raise MissingLane(
            f"the lane {lane.name} could not be made: {errors[-1]}; check the network and run "
            f"python {_tool('doctor')} --make-lanes"
        )


def _tool(name: str) -> str:
    return str(Path("tools", f"{name}.py"))


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _first_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
