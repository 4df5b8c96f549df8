"""What a file below the folder of an artifact may be called.

Reports and ledgers come from elsewhere, so a name in one is never joined to a path before it was
asked here.
"""

from pathlib import PurePosixPath, PureWindowsPath

LONGEST_PART = 255  # bytes of one name on the usual file systems
LONGEST = 1024  # bytes of a path; the system's own limit is four times that


def check_path(name: str) -> str:
    """Return `name` if it names a file below a folder on any system, in one spelling.

    Raises ValueError.
    """
    why = _fault(name)
    if why:
        raise ValueError(f"{name!r:.160} cannot name a file of an artifact: {why}")
    return name


def _fault(name: str) -> str:
    """Say why `name` is no path below a folder, or "" if it is one."""
    if not isinstance(name, str) or not name:
        return "it is no text"
    if not name.isprintable():  # also what is no Unicode, and what turns the line around
        return "it has characters that cannot be printed"
    if "\\" in name or PureWindowsPath(name).drive or PureWindowsPath(name).root:
        return "it leaves the folder, or another system would read it so"
    path = PurePosixPath(name)
    if ".." in path.parts or path.is_absolute() or "/".join(path.parts) != name or name == ".":
        return "it leads outside its folder, or is not in its simplest form"
    parts = [len(part.encode()) for part in path.parts]
    if max(parts) > LONGEST_PART or len(name.encode()) > LONGEST:
        return f"it is longer than {LONGEST_PART} bytes a part, or {LONGEST} in all"
    return ""
