"""How long ONNX files take on this machine's CPU, asked in turns so that noise meets all alike."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np

WARM = 3  # runs that are not counted
MILLISECONDS = 1e3


def latencies(files: Mapping[str, Path], image: np.ndarray, rounds: int) -> dict[str, float]:
    """Return the median milliseconds that ONNX Runtime takes for one `image`, on one thread."""
    sessions = {name: _session(path) for name, path in files.items()}
    taken = {name: [] for name in files}
    for _ in range(WARM + rounds):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(None, {"image": image})
            taken[name].append(time.perf_counter() - start)
    return {name: MILLISECONDS * median(times[WARM:]) for name, times in taken.items()}


def _session(path: Path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
