"""Show how far pip has come with a lane: it prints a line a package, and most bytes are in one."""

import os
from pathlib import Path

from export.progress import BYTES, Progress, bar_of

INTERVAL = 0.5  # seconds between looks
TEMPORARY = "downloads"  # pip's folder for temporary files, within a lane that is being made
MB = 1_000_000


class Watch:
    """Called with what pip has printed so far, it shows bytes that came, then bytes installed."""

    def __init__(self, folder: Path, about: str, megabytes: tuple[int, int], progress: Progress):
        """`megabytes` are those to come, and then those that they take once installed."""
        self.temporary = folder / TEMPORARY
        self._folder = folder
        self._about = about
        self._download, self._disk = (count * MB for count in megabytes)
        self._progress, self._bar = progress, bar_of(progress)
        self._installs = False

    def idle(self, printed: str) -> None:
        """Show nothing, of a step that has no amount."""

    def __call__(self, printed: str) -> None:
        came = bytes_below(self.temporary)
        if "Installing collected packages" in printed and not self._installs:
            self._installs = True
            self._progress(self._about, "installing packages")
        if self._installs:
            done, total = bytes_below(self._folder) - came, self._disk
        else:
            done, total = came, self._download
        self._bar(self._about, min(done, total), total, BYTES)  # the totals are no exact ones


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below `folder`, which another process may be changing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
            except OSError:
                continue  # it is gone again
    return total
