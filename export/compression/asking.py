"""Ask the lane to compress a twin: what goes over, what comes back, and how far it is meanwhile."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from export.compression.layers import Chosen
from export.compression.method import Method
from export.compression.resuming import need_space
from export.compression.training import Lessons, Training
from export.compression.twin import Twin
from export.lanes import run_in_lane
from export.progress import Progress, bar_of

LANE, TRAINING, SHOT = "tfmot", "compress.py", "shot.py"  # and scripts in it
EVERY = 0.5  # seconds between two looks at how far it is


def ask_lane(
    twin: Twin, chosen: Chosen, method: Method, arrays: dict, scratch: Path, plan: dict | None
) -> tuple[dict, dict]:
    """Return what the lane's script answers: see export/lanes/tfmot/compress.py."""
    job = {
        "description": twin.description,
        "method": method.as_dict(),
        "weights": chosen.weights(),
        "quantise": list(chosen.quantise),
        "plan": plan,
    }
    script = TRAINING if plan else SHOT
    return run_in_lane(LANE, script, job, arrays, scratch, about="the compression")


def make_plan(
    twin: Twin, training: Training, lessons: Lessons, checkpoint: Path, scratch: Path
) -> tuple[dict, dict]:
    """The plan of a training for the lane's script, and the arrays that go with it."""
    plan = {
        **training.as_dict(),
        "image": list(twin.contract.classifier.image),
        "mean": list(lessons.mean),
        "std": list(lessons.std),
        "logits": not _ends_in_probabilities(twin),
        "checkpoint": str(checkpoint),
        "stop": str(scratch / "stop"),
        "told": str(scratch / "told"),
    }
    arrays = {}
    for name in ("train", "held_out"):
        pictures = getattr(lessons, name)
        plan[name] = str(_on_disk(pictures.images, scratch / f"{name}.npy"))
        arrays[f"{name}_labels"] = np.asarray(pictures.labels, np.int64)
    return plan, arrays


def _on_disk(images: np.ndarray, path: Path) -> Path:
    """The .npy file that `images` are mapped from, or one at `path` that is written now."""
    mapped = getattr(images, "filename", None)
    if mapped is not None and str(mapped).endswith(".npy"):
        return Path(mapped)
    need_space(path.parent, images.nbytes, "the pictures, decoded, take")
    if hasattr(images, "write_to"):
        images.write_to(path)
    else:
        np.save(path, images, allow_pickle=False)
    return path


def _ends_in_probabilities(twin: Twin) -> bool:
    described = {one["name"]: one for one in twin.description["layers"]}
    last = described[twin.description["calls"][-1]["layer"]]
    return last["class_name"] == "Softmax" or last["options"].get("activation") == "softmax"


@contextmanager
def interruptible(stop: Path) -> Iterator[None]:
    """Have the first Ctrl-C ask the training to stop, by making the file `stop`, and no more.

    A second one is what it always is.
    """

    def ask(number, frame):
        stop.touch()
        signal.signal(signal.SIGINT, before)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def shown(told: Path, name: str, progress: Progress) -> Iterator[None]:
    """Show what the script writes into the file `told`, a line of JSON now and again."""
    ended = threading.Event()

    def watch():
        done, stage, last = 0, None, False
        while not last:
            last = ended.wait(EVERY)  # what is written at the very end is shown too
            lines = told.read_text().splitlines(keepends=True) if told.exists() else []
            for line in lines[done:]:
                if not line.endswith("\n"):
                    break
                done += 1
                stage = _show(json.loads(line), stage, name, progress)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show(one: dict, before, name: str, progress: Progress):
    """Show one line, and return what identifies its stage and epoch."""
    stage = (one["stage"], one["epoch"])
    if stage != before:
        fewer = f", {one['batch_size']} pictures a batch" if one["batch_size"] else ""
        progress(name, f"{one['stage']}, epoch {one['epoch']} of {one['epochs']}{fewer}")
    unit = f"pictures, loss {one['loss']:.3f}, accuracy {one['accuracy']:.1%}"
    if one["held_out"] is not None:
        unit += f", {one['held_out']:.1%} of those held out"
    bar_of(progress)(name, one["pictures"], one["of"], unit)
    return stage
