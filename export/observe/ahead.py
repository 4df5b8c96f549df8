"""Processes that look at what this one writes, some before their artifact's turn to be judged."""

from contextlib import ExitStack
from pathlib import Path

from export.errors import ExportError
from export.formats.base import Format
from export.memory import allowed
from export.observe.artifact import begin, observer
from export.observe.base import Reference
from export.process import Child
from export.processors import processors
from export.results import Cost
from export.shortage import shortage

RUNTIME = 600_000_000  # bytes that a process takes beside weights, of which it may hold two copies
COPIES = 2
LOADED = 100_000_000  # bytes that a process which has its packages takes beside weights
TOGETHER = 1_500_000_000  # bytes that processes beside each other may take, unless N are asked for


def jobs_for(weight_bytes: int, asked: int | None, together: int = TOGETHER) -> int:
    """Return how many artifacts are looked at at once: `asked`, or what cores and memory allow.

    Beside each other the processes may take `together` bytes.
    """
    if asked is not None:
        return asked
    import psutil

    room = min(together, psutil.virtual_memory().available // 2)
    return max(1, min(processors(), room // (RUNTIME + COPIES * weight_bytes)))


def may_look(reference: Reference, spent: Cost) -> bool:
    """Whether a process may open an artifact beside other work, which `spent` is of.

    Of what layers give it holds some, for several samples; all of them for one is as much.
    """
    import psutil

    takes = LOADED + COPIES * reference.weight_bytes + reference.layer_bytes
    enough = takes <= psutil.virtual_memory().available // 2
    return enough and spent.peak_rss_bytes + takes <= allowed(reference.weight_bytes)


class Ahead:
    """Observers by their artifact's format; they end with `held`."""

    def __init__(self, held: ExitStack):
        self._held = held
        self._children: dict[str, Child] = {}

    def start(self, format: Format, scratch: Path) -> Child:
        """Have a process import what it needs to look at an artifact of `format`, unless one has.

        It has its files in `scratch`. Raises ExportError where the system starts no process.
        """
        if format.name not in self._children:
            try:
                child = observer(format, scratch, trusted=True)
            except OSError as error:
                raise shortage(error, [scratch]) or ExportError(
                    f"the process that looks at {format.name} does not start: {error.strerror}; "
                    "close other programs"
                ) from error
            self._children[format.name] = self._held.enter_context(child)
        return self._children[format.name]

    def look(self, format: Format, folder: Path, scratch: Path, reference: Reference) -> Child:
        """Have a process look at the artifact in `folder`, unless one does; it is not waited for.

        It runs what the `reference` was made of, and is asked for its answer by `observe`.
        """
        child = self.start(format, scratch)
        if not child.busy:
            begin(child, format.name, folder, reference.inputs, reference.resized)
        return child
