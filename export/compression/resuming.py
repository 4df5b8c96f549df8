"""Where a training can be taken up again, and whether it may be."""

import hashlib
import json
import shutil
from pathlib import Path

from export.compression.training import Training
from export.errors import ExportError, Shortage
from export.files import write_whole
from export.wording import size

FOLDER, ASKED = "checkpoint", "asked.json"
STATE = "state.json"  # which the lane writes once there is something to resume
COPIES = {
    "adam": 10,
    "sgd": 8,
}  # of the weights: start, now, its masks and slots, best, and one new


def prepare_checkpoint(out: Path, asked: dict, training: Training, weight_bytes: int) -> Path:
    """Return the folder of the checkpoint of a run that was `asked` for, ready to be written.

    Raises ExportError where one of an earlier run is there that is not to be resumed, or cannot be,
    or none where one should be, and Shortage where the disk is too small.
    """
    folder = out / FOLDER
    mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    known = _mark(folder)
    if training.resume and known is None:
        raise ExportError(f"{folder} is not there, so there is nothing to resume; leave it out")
    if training.resume and known != mark:
        raise ExportError(
            f"{folder} is of a compression that was asked for otherwise, or of other weights or "
            "pictures; ask as before, or delete it and leave --resume out"
        )
    if not training.resume and folder.exists():
        raise ExportError(
            f"{folder} is of an earlier run that did not end; continue it with --resume, or delete "
            "that folder"
        )
    wanted = COPIES[training.optimizer] * weight_bytes
    need_space(out, wanted, "checkpoints of the training take up to")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / ASKED, json.dumps({"sha256": mark}))
    return folder


def forget_unbegun(folder: Path) -> None:
    """Remove the checkpoint in `folder` where there is nothing in it that could be resumed."""
    if not can_go_on(folder):
        shutil.rmtree(folder, ignore_errors=True)


def can_go_on(folder: Path) -> bool:
    """Tell whether there is something in the checkpoint in `folder` that could be resumed."""
    return (folder / STATE).exists()


def _mark(folder: Path) -> str | None:
    try:
        return json.loads((folder / ASKED).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def need_space(out: Path, wanted: int, what: str) -> None:
    """Raise Shortage unless `wanted` bytes are free where the folder `out` is, or will be."""
    above = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(above).free
    if free < wanted:
        raise Shortage(
            f"{what} {size(wanted)}, and {above} has {size(free)} free; free some space or choose "
            "another --out"
        )
