"""What a lane is, and where it lives."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

RECEIPT = "lane.json"  # written last; a folder without it is not a lane
DIGITS = 12  # of the digest of a lane's requirements, in the name of its folder
LINUX_X86 = "Linux x86_64"  # as the standard library's platform names a system and its processor


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A private environment: what it is made of, where it runs, and how to see that it is whole.

    All that is its own lies in its folder `home`: the requirements, pins.txt, and the scripts that
    run in it; see export/child.py.
    """

    home: Path
    purpose: str
    machines: tuple[str, ...]  # such as LINUX_X86
    pythons: tuple[tuple[int, int], ...]  # newest first
    probe: str  # code that runs in a whole lane, and in no damaged one
    download_mb: int
    disk_mb: int
    minutes: int  # on two cores with an ordinary connection

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def requirements(self) -> Path:
        return self.home / "pins.txt"

    @property
    def folder(self) -> Path:
        """Where the lane is, or will be; versions of the toolkit with other pins have another one.

        A lane of the time when names of folders had no digest is used where its pins are ours.
        """
        old = lanes_folder() / self.name
        return old if _holds(old, self) else lanes_folder() / f"{self.name}-{self.digest[:DIGITS]}"

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


def lanes_folder() -> Path:
    """Return where lanes live: `KERAS_NETS_LANES`, or a folder in the user's cache."""
    given = os.environ.get("KERAS_NETS_LANES")
    if given:
        return Path(given).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("keras-nets")) / "lanes"


def is_ready(lane: Lane) -> bool:
    """Tell whether a lane is there, and whole."""
    return _holds(lane.folder, lane)


def _holds(folder: Path, lane: Lane) -> bool:
    """Tell whether `folder` is a whole lane with the pins of `lane`."""
    try:
        requirements = json.loads((folder / RECEIPT).read_text())["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return requirements == lane.digest and os.access(folder / "bin" / "python", os.X_OK)
