"""Stands in for export/lanes/tf217/run.py, which needs a GPU: answers as that does, or lies.

The job is that of the script, and `pretend`, what happens. The network of the stand-in adds up each
channel of a picture: logits (n, 3).
"""

import os
import signal
import sys

import numpy as np

DISALLOWED = "User disallowed engine native segment execution"
MISFIT = "TRTEngineOp_000_000 would run its native segment in FP32: its input shape is"


class AbortedError(Exception):
    """As TensorFlow calls it."""


def network(images):
    """Logits (n, 3) of images (n, height, width, 3)."""
    return images.sum(axis=(1, 2)).astype(np.float32)


def work(job, arrays):
    pretend = job["pretend"]
    if pretend == "died before the GPU was seen":
        sys.exit("libcudart cannot be loaded")
    if pretend == "no library":
        yield {"missing": "TensorRT 8.6 is not installed"}, {}
    elif "sizes" not in job:
        yield {}, {"logits": network(arrays["image"])}
    else:
        yield from run_all(job, arrays["image"], pretend)


def run_all(job, images, pretend):
    answer, built = {"runs": []}, []
    yield answer, {}
    for size in job["sizes"]:
        answer["at"] = size
        yield answer, {}
        fail(pretend, size)
        built += [] if any(engine >= size for engine in built) else [size]
        rows = -(-len(images) // size) * size
        logits = network(images[np.arange(rows) % len(images)])
        if pretend == "wrong at 4" and size == 4:
            logits = logits[:, ::-1]
        engines = {"TRTEngineOp_000_000": [] if pretend == "no engine" else sorted(built)}
        engines = {} if pretend == "no cache" else engines
        answer["runs"].append({"size": size, "seconds": 0.1, "later": 0.01, "engines": engines})
        if pretend == "no cache":
            answer["uncounted"] = "no such op"
        yield answer, {f"{size}/logits": logits}


def fail(pretend, size):
    """End in batches of `size`, by an exception or as the system's killer makes it."""
    if pretend == "killed at 8" and size == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    if pretend == "fell back at 4" and size == 4:
        raise AbortedError(DISALLOWED)
    if pretend == "shapes do not fit":
        raise ValueError(f"{MISFIT} [-1, 9, 9, 3] and it is fed [1, 8, 8, 3]")
