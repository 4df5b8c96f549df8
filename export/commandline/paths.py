"""Tells at once whether the files and folders that a command line names are there and fit."""

import difflib
import os
import tempfile
from pathlib import Path


def need_file(option: str, path: Path, wanted: str) -> None:
    """Raise ValueError unless `path`, given with `option`, is a file that can be read."""
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder; name {wanted}")
    if not path.exists():
        raise ValueError(f"{option} {path} is not there; {_near(path)}name {wanted}")
    if not path.is_file():
        raise ValueError(f"{option} {path} is no regular file; name {wanted}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{option} {path} may not be read by this user; name {wanted}")


def need_folder(option: str, path: Path, wanted: str) -> None:
    """Raise ValueError unless `path`, given with `option`, is a folder that can be listed."""
    if not path.exists():
        raise ValueError(f"{option} {path} is not there; {_near(path)}name {wanted}")
    if not path.is_dir():
        raise ValueError(f"{option} {path} is a file; name {wanted}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ValueError(f"{option} {path} may not be read by this user; name {wanted}")


def need_weights(words: str | None) -> None:
    """Raise ValueError unless `words` of --weights are a file that can be read, or imagenet."""
    if words and words.partition(":")[0] != "imagenet":
        need_file("--weights", Path(words), "a weights file, or imagenet")


def need_place(option: str, path: Path) -> None:
    """Raise ValueError unless a file can be written at `path`."""
    if path.is_dir():
        raise ValueError(f"{option} {path} is a folder; name a file in it")
    need_writable(option, path.parent)


def need_writable(option: str, path: Path) -> None:
    """Raise ValueError unless files can be written to a folder at `path`, made where missing."""
    above = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
    if not above.is_dir():
        raise ValueError(
            f"{option} {path} cannot be a folder, because {above} is a file; "
            f"choose another {option}"
        )
    try:
        with tempfile.TemporaryFile(dir=above):  # nothing else tells for root, or in /proc
            pass
    except OSError as error:
        raise ValueError(
            f"{option} {path} cannot be written: {above} says {error.strerror.lower()}; "
            f"choose another {option}"
        ) from error


def _near(path: Path) -> str:
    """Return a suggestion of a file in the same folder with a similar name, or ""."""
    try:
        names = sorted(one.name for one in path.parent.iterdir())
    except OSError:
        return ""  # its folder is not there either
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f"did you mean {path.with_name(near[0])}? Or " if near else ""
