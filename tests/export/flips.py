"""Change one byte of an artifact at a time, ask every check but hashes, and write down the rest.

    python tests/export/flips.py job.json

A script for test_corruption.py. The job names the `format`, the `folder` of a good artifact, a
pickle of its `reference`, the `count` and `seed` of the flips, and the `result` (.json). Each is
judged in a fork, which may crash; TensorFlow runs nothing in this process, or it could not fork.
"""

import difflib
import hashlib
import importlib
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

LOADED = (  # once for all forks
    "onnx",
    "onnxruntime",
    "tensorflow",
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow.python.saved_model.load",
    "export.checks",
    "export.formats.tftrt.native_segment",
)
SECONDS = 90  # for one artifact to be looked at
SEEN, SAME, HARMLESS, NOISE = "seen", "the same network", "the same logits", "within the noise"


def main(job: dict) -> None:
    random_ = random.Random(f"{job['format']} {job['seed']}")
    with tempfile.TemporaryDirectory() as scratch, Path(job["reference"]).open("rb") as file:
        copy = Path(shutil.copytree(job["folder"], Path(scratch, "copy")))
        reference = pickle.load(file)
        files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
        clean = forked(lambda: look(job["format"], copy, reference))
        assert clean and not clean["failed"], clean
        counts, unseen = Counter(), []
        for _ in range(job["count"]):
            path, before, after, flip = a_flip(random_, files)
            path.write_bytes(after)
            found = forked(lambda: look(job["format"], copy, reference))
            path.write_bytes(before)
            kind = judged(clean, found)
            counts[kind] += 1
            if kind != SEEN:
                name = path.relative_to(copy).as_posix()
                told = {"kind": kind, "file": name, **flip, "field": field(path, before, after)}
                unseen.append(told | {"error": found["error"]})
                print(told, flush=True)
    Path(job["result"]).write_text(json.dumps({"counts": counts, "unseen": unseen}, indent=1))


def a_flip(random_: random.Random, files: list[Path]) -> tuple:
    """A file, its bytes, them with one changed, and which."""
    sizes = [path.stat().st_size for path in files]
    path = random_.choice(files) if random_.random() < 0.5 else random_.choices(files, sizes)[0]
    before = path.read_bytes()
    after, at = bytearray(before), random_.randrange(len(before))
    after[at] ^= 1 << random_.randrange(8) if random_.random() < 0.7 else random_.randrange(1, 256)
    return path, before, bytes(after), {"at": at, "was": before[at], "is": after[at]}


def look(format: str, folder: Path, reference) -> dict:
    """What the checks say, and what is there."""
    from export.checks import Expected, Trial, run_checks
    from export.formats import find_format
    from export.observe.artifact import observe
    from export.process import in_this_process
    from export.results import Status, find

    with tempfile.TemporaryDirectory() as scratch, in_this_process():
        seen = observe(format, folder, reference.inputs, Path(scratch))
    unknown = Expected.unknown("a toy is in no catalog")
    checks = run_checks(
        Trial(format=find_format(format), reference=reference, observation=seen, expected=unknown)
    )
    parity = find(checks, "parity")
    return {
        "failed": [check.name for check in checks if check.status is Status.FAILED],
        "error": parity.measured,
        "structure": seen.graph.get("structure"),
        "weights": sorted(found.sha256 for found in seen.weights),
        "ends": [repr(tensor) for tensor in (*seen.inputs, *seen.outputs)],
        "logits": hashlib.sha256(seen.outputs["logits"].tobytes()).hexdigest(),
    }


def judged(clean: dict, found: dict | None) -> str:
    """The kind of a flip; one that ends the process is seen by whoever waits for it."""
    if found is None or found["failed"]:
        return SEEN
    equal = {key for key in clean if clean[key] == found[key]}
    if {"weights", "ends", "logits"} <= equal:
        return SAME if "structure" in equal else HARMLESS
    return NOISE


def forked(work) -> dict | None:
    """What `work` returns in a fork of this process; None where that dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(SECONDS)
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
        finally:  # nothing of the parent, such as its temporary folder, is this process's to end
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


def field(path: Path, before: bytes, after: bytes) -> list[str]:
    """The lines in which the two files differ, printed as the messages that they are."""
    try:
        lines = [str(message(path, data)).splitlines() for data in (before, after)]
    except Exception as error:  # protobuf's DecodeError moved between releases
        return [f"{type(error).__name__}: {error}"]
    changed = difflib.unified_diff(*lines, n=0, lineterm="")
    return [line[:100] for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def message(path: Path, data: bytes):
    if path.name == "saved_model.pb":
        from tensorflow.core.protobuf import saved_model_pb2

        return saved_model_pb2.SavedModel.FromString(data)
    if path.name == "model.onnx":
        import onnx

        return onnx.ModelProto.FromString(data)
    return ""


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for module in LOADED:
        importlib.import_module(module)
    main(json.loads(Path(sys.argv[1]).read_text()))
