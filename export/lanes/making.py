"""How a lane is made: once, whole, and by one process at a time."""

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from export.errors import ExportError, MissingLane
from export.files import sync_folder
from export.lanes.interpreters import find_interpreter
from export.lanes.lane import LINUX_X86, RECEIPT, Lane, State, is_ready
from export.lanes.watch import INTERVAL, TEMPORARY, Watch
from export.locks import locked
from export.process import clean_environment, start, stop
from export.progress import Progress, silent
from export.shortage import shortage, shortage_of_child

LONGEST = 1 << 20  # bytes of what pip prints that are looked at
ELSEWHERE = "KERAS_NETS_LANES names another folder for lanes"
# What ends the names beside a lane: its lock, one that is being made, one that was damaged.
LOCK, PARTIAL, REPLACED = ".lock", ".partial", ".replaced"


def state_of(lane: Lane) -> State:
    """Say whether a lane is there, or could be."""
    if is_ready(lane):
        return State(lane, "ready", f"made at {lane.folder}")
    machine = f"{platform.system()} {platform.machine()}"
    if machine not in lane.machines:
        container = ", or in a container for linux/amd64" if LINUX_X86 in lane.machines else ""
        return State(
            lane,
            "impossible",
            f"it needs {' or '.join(lane.machines).replace('_', '-')}, and this is {machine}",
            f"export on such a machine{container}",
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


def refuse_impossible(lane: Lane) -> None:
    """Raise MissingLane if a lane is not there and cannot be made; costs next to nothing."""
    state = state_of(lane)
    if state.status == "impossible":
        raise MissingLane(f"the lane {lane.name} cannot exist here: {state.why}; {state.fix}")


def make_lane(lane: Lane, progress: Progress = silent) -> None:
    """Make a lane if it is not there yet.

    Raises MissingLane where it cannot be made.
    """
    if is_ready(lane):
        _sweep(lane)
        return
    refuse_impossible(lane)

    def waiting():
        progress(lane.name, "waiting for another process that is making this lane")

    try:
        with locked(_beside(lane, LOCK), waiting, instead="one by KERAS_NETS_LANES"):
            if not is_ready(lane):
                _make(lane, find_interpreter(lane.pythons), progress)
    except OSError as error:
        short = shortage(error, [lane.folder])
        why = f"{short} ({ELSEWHERE})" if short else error.strerror or error
        raise MissingLane(
            f"the lane {lane.name} could not be made at {lane.folder}: {why}"
        ) from error


def _beside(lane: Lane, ending: str) -> Path:
    return lane.folder.with_name(lane.folder.name + ending)


def _sweep(lane: Lane) -> None:
    """Remove what a process left that was killed when the lane was already in its place."""
    left = [path for end in (LOCK, PARTIAL, REPLACED) if (path := _beside(lane, end)).exists()]
    if not left:
        return
    # Another one may be at work, or the folder not be ours.
    with suppress(ExportError, OSError), locked(_beside(lane, LOCK), patience=0):
        for path in left:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)


def _make(lane: Lane, interpreter: Path, progress: Progress) -> None:
    """Make the lane beside its place, and rename it there when it is whole."""
    partial, replaced = _beside(lane, PARTIAL), _beside(lane, REPLACED)
    for left in (partial, replaced):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    progress(
        lane.name,
        f"making the lane {lane.name} ({lane.purpose}) at {lane.folder}: once, about "
        f"{lane.download_mb} MB to download, {lane.disk_mb / 1000:.1f} GB on disk, "
        f"{lane.minutes} minutes",
    )
    try:
        _fill(partial, lane, interpreter, progress)
        os.sync()  # one call for tens of thousands of files
        if lane.folder.exists():  # damaged, and maybe still in use
            lane.folder.rename(replaced)
        partial.rename(lane.folder)
        sync_folder(lane.folder.parent)
    finally:
        for left in (partial, replaced):
            shutil.rmtree(left, ignore_errors=True)


def _fill(folder: Path, lane: Lane, interpreter: Path, progress: Progress) -> None:
    watch = Watch(folder, lane.name, (lane.download_mb, lane.disk_mb), progress)
    _step([str(interpreter), "-m", "venv", str(folder)], lane, watch.idle)
    python = str(folder / "bin" / "python")
    options = ["--disable-pip-version-check", "--no-input", "--no-compile"]
    install = [python, "-m", "pip", "install", "-r", str(lane.requirements), *options]
    watch.temporary.mkdir()
    progress(lane.name, "downloading packages")
    _step(install, lane, watch)
    shutil.rmtree(watch.temporary, ignore_errors=True)
    progress(lane.name, "trying the lane")
    _step([python, "-c", lane.probe], lane, watch.idle)
    receipt = {"requirements": lane.digest, "made_with": str(interpreter)}
    (folder / RECEIPT).write_text(json.dumps(receipt))


def _step(command: list[str], lane: Lane, watch: Callable[[str], None]) -> None:
    """Run `command`, and call `watch` with what it printed so far, now and again.

    Raises MissingLane with its last words if it fails.
    """
    temporary = _beside(lane, PARTIAL) / TEMPORARY
    environment = clean_environment() | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if temporary.exists():  # else half a gigabyte goes through TMPDIR, often a small disk
        environment["TMPDIR"] = str(temporary)
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        # All that pip starts ends with us, or it would go on writing into the next one's folder.
        child = start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while _runs(child):
                watch(_read(output))
        except BaseException:
            stop(child)
            raise
        if child.returncode:
            raise _failure(lane, _read(output))


def _runs(child: subprocess.Popen) -> bool:
    try:
        child.wait(INTERVAL)
    except subprocess.TimeoutExpired:
        return True
    return False


def _read(output: TextIO) -> str:
    # The child writes through the same open file, so that its position is not to be moved.
    return os.pread(output.fileno(), LONGEST, 0).decode(errors="replace")


def _failure(lane: Lane, log: str) -> MissingLane:
    short = shortage_of_child(log, lane.folder)
    said = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("ERROR")] or said or ["it said nothing"]
    why = f"{short} ({ELSEWHERE})," if short else f"{errors[-1]}; check the network"
    return MissingLane(
        f"the lane {lane.name} could not be made: {why} and run python {_tool('doctor')} "
        "--make-lanes"
    )


def _tool(name: str) -> str:
    return str(Path("tools", f"{name}.py"))


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _first_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
