"""Where a compressed network lies: a `.keras` file and compression.json, both written whole."""

import os
import tempfile
from pathlib import Path

from export.compression.content import NAME, read_beside
from export.errors import ArtifactError, ExportError
from export.files import sync_folder, write_whole


def refuse_foreign(goal: Path) -> None:
    """Raise ExportError where something lies at `goal` that no compression put there."""
    if not os.path.lexists(goal):
        return
    if goal.is_dir():
        raise ExportError(f"{goal} is a folder; choose another --out")
    try:
        ours = read_beside(goal) is not None
    except ArtifactError:
        ours = False
    if not ours:
        raise ExportError(
            f"{goal} is there, and no {NAME} beside it says that it was compressed here; move it "
            "away or choose another --out"
        )


def publish(model, content: str, goal: Path) -> None:
    """Save `model` at `goal` and `content` beside it; each appears whole, the model first.

    An interrupt between the two leaves hashes that do not fit, which an export notices.
    """
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compressing-", dir=goal.parent) as folder:
        fresh = Path(folder, goal.name)
        model.save(fresh)
        refuse_foreign(goal)  # again: somebody may have put something there meanwhile
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(goal)
    write_whole(goal.with_name(NAME), content)
    sync_folder(goal.parent)
