"""Inputs that a user gives in a file: an .npz with an array for each input, by its name."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from export.child import in_a_line
from export.contract import Batch
from export.report.file import file_sha256

LARGEST = 8 << 30  # bytes of all arrays of a file together; what is packed claims any size
# What damaged, encrypted and strange archives raise.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    AttributeError,
    TypeError,
    RuntimeError,
    MemoryError,  # a damaged header states any shape
    BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Given:
    """Arrays by name, and the file that they are from."""

    batch: Batch
    source: str  # the file's name
    sha256: str  # of the file

    def as_dict(self) -> dict:
        """What report.json holds."""
        count = len(next(iter(self.batch.values())))
        return {"source": self.source, "sha256": self.sha256, "count": count}


def read_given(path: Path) -> Given:
    """Read an .npz file; raise ValueError, in one line, where it holds no inputs.

    Each array holds samples along its first axis, as many as the others and at least one. Whether
    they fit a model is for its contract to say.
    """
    wanted = "an .npz with an array for each input, by its name"
    try:
        with ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > LARGEST:
                raise ValueError(f"{path} unpacks to more than {LARGEST >> 30} GiB")
        with np.load(path, allow_pickle=False) as held:
            batch = {name: held[name] for name in held.files}
        if others := [name for name, one in batch.items() if not isinstance(one, np.ndarray)]:
            raise ValueError(f"{others[0]} is no array")
    except UNREADABLE as error:
        raise ValueError(f"--inputs {path} cannot be read ({in_a_line(error)}): {wanted}") from None
    counts = {name: len(values) if values.ndim else 0 for name, values in batch.items()}
    if not counts or 0 in counts.values() or len(set(counts.values())) > 1:
        raise ValueError(
            f"--inputs {path} should hold as many samples for each input, and at least one: "
            f"{wanted}. Received: {counts}"
        )
    return Given(batch, path.name, file_sha256(path))
