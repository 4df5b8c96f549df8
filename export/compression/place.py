"""Where a compressed network lies: a `.keras` file and compression.json, both written whole."""

import json
import os
import tempfile
from pathlib import Path

from export.compression.content import NAME, read_beside
from export.errors import ArtifactError, ExportError
from export.files import sync_folder, write_whole
from export.report.file import file_sha256


def refuse_foreign(goal: Path) -> None:
    """Raise ExportError where something is in the way that no compression of this network wrote.

    That is a file at `goal` which is not the one that was written there, or a record beside it of
    another network.
    """
    record = goal.with_name(NAME)
    if not os.path.lexists(goal):
        if os.path.lexists(record):
            raise ExportError(
                f"{record} is of another network than {goal.name}, which is not beside it; choose "
                "another --out"
            )
        return
    if goal.is_dir():
        raise ExportError(f"{goal} is a folder; choose another --out")
    try:
        content = read_beside(goal)
    except ArtifactError:
        content = None
    if content is None:
        raise ExportError(
            f"{goal} is there, and no {NAME} beside it says that it was compressed here; move it "
            "away or choose another --out"
        )
    if content["sha256"].get("file") not in (None, file_sha256(goal)):
        raise ExportError(
            f"{goal} is another file than the one that was compressed here; move it away or choose "
            "another --out"
        )


def publish(model, content: dict, goal: Path) -> dict:
    """Save `model` at `goal` and `content` beside it; each appears whole, the model first.

    Returns the content with the hash of the file. An interrupt between the two leaves hashes that
    do not fit, which an export notices.
    """
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".compressing-", dir=goal.parent) as folder:
        fresh = Path(folder, goal.name)
        model.save(fresh)
        hashes = {**content["sha256"], "file": file_sha256(fresh)}
        refuse_foreign(goal)  # again: somebody may have put something there meanwhile
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(goal)
    content = {**content, "sha256": hashes}
    write_whole(goal.with_name(NAME), json.dumps(content, indent=1) + "\n")
    sync_folder(goal.parent)
    return content
