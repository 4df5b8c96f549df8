"""Find a Python that a lane can be made with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# An interpreter without ensurepip, as Debian's is without python3-venv, makes no environment.
PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:2])"


def find_interpreter(versions: tuple[tuple[int, int], ...]) -> Path | None:
    """Return a Python of one of `versions` that can make environments, the running one first.

    Looks at the running interpreter, then for each version on the PATH and among pyenv's.
    """
    if sys.version_info[:2] in versions and _version(Path(sys.executable)):
        return Path(sys.executable)
    for version in versions:
        for candidate in _candidates(version):
            if _version(candidate) == version:
                return candidate
    return None


def _candidates(version: tuple[int, int]) -> Iterator[Path]:
    name = "python{}.{}".format(*version)
    found = shutil.which(name)
    if found:
        yield Path(found)
    for folder in (Path("/usr/bin"), Path("/usr/local/bin")):
        if (folder / name).exists():
            yield folder / name
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob("{}.{}.*/bin/python".format(*version)), reverse=True)


def _version(python: Path) -> tuple[int, int] | None:
    """Return the version of a Python that runs and can make environments; None for any other."""
    try:
        done = subprocess.run(
            [str(python), "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
        )
        major, minor = done.stdout.split()
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a pyenv shim of a version that is not active exits with 127
    return int(major), int(minor)
