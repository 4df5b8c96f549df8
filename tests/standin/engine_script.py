"""Stands in for export/lanes/tftrt_run.py, which needs a GPU: answers as that does, or lies.

    python engine_script.py job.json

The job is that of the script, and `pretend`, what happens. The network of the stand-in adds up each
channel of a picture: logits (n, 3).
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

DISALLOWED = "AbortedError: User disallowed engine native segment execution"
MISFIT = "ValueError: TRTEngineOp_000_000 would run its native segment in FP32: its input shape is"


def network(images):
    """Logits (n, 3) of images (n, height, width, 3)."""
    return images.sum(axis=(1, 2)).astype(np.float32)


def main(job):
    pretend, answer = job["pretend"], {"runs": []}

    def write(**more):
        answer.update(more)
        Path(job["answer"]).write_text(json.dumps(answer))

    if pretend == "died before the GPU was seen":
        sys.exit("libcudart cannot be loaded")
    if pretend == "no library":
        write(missing="TensorRT 8.6 is not installed")
    else:
        write()
        serve(job, pretend, answer, write)


def serve(job, pretend, answer, write):
    images, built = np.load(job["images"]), []
    for size in job["sizes"]:
        write(at=size)
        if failed := failure(pretend, size):
            write(failed=failed)
            break
        built += [] if any(engine >= size for engine in built) else [size]
        rows = -(-len(images) // size) * size
        logits = network(images[np.arange(rows) % len(images)])
        if pretend == "wrong at 4" and size == 4:
            logits = logits[:, ::-1]
        np.save(Path(job["logits"], f"batch_{size}.npy"), logits)
        engines = {"TRTEngineOp_000_000": [] if pretend == "no engine" else sorted(built)}
        run = {"size": size, "seconds": 0.1, "later": 0.01, "engines": engines}
        run["engines"] = {} if pretend == "no cache" else engines
        answer["runs"].append(run)
        write(**({"uncounted": "no such op"} if pretend == "no cache" else {}))


def failure(pretend, size):
    """Why batches of `size` do not run, or an end as the system's killer makes it."""
    if pretend == "killed at 8" and size == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    if pretend == "fell back at 4" and size == 4:
        return DISALLOWED
    if pretend == "shapes do not fit":
        return f"{MISFIT} [-1, 9, 9, 3] and it is fed [1, 8, 8, 3]"
    return ""


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
