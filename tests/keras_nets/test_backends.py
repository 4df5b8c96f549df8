"""The builders and the seeding know no backend: JAX and PyTorch give the logits of TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "standin" / "backend_logits.py"
# Each family, in the flavours whose graphs differ, at a side small enough for seconds.
GRAPHS = (
    "alexnet,paddle,63",
    "squeezenet1_0,torchvision,64",
    "squeezenet1_1,paddle,64",
    "vgg11,torchvision,32",
    "darknet53,paddle,64",
    "darknet53,darknet,64",
)


def compute(folder: Path, backend: str) -> dict[str, dict]:
    """What each graph gives under `backend`, all in one process."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, str(SCRIPT), str(folder), *GRAPHS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for graph in GRAPHS:
        with np.load(folder / f"{graph}.npz") as saved:
            found[graph] = dict(saved)
    return found


@pytest.fixture(scope="module", params=["jax", "torch"])
def other(request, tmp_path_factory):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    found = compute(tmp_path_factory.mktemp(request.param), request.param)
    assert all(graph["backend"] == request.param for graph in found.values())
    return found


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    found = compute(tmp_path_factory.mktemp("tensorflow"), "tensorflow")
    assert all(graph["backend"] == "tensorflow" for graph in found.values())
    return found


@pytest.mark.parametrize("graph", GRAPHS)
def test_another_backend_gives_the_weights_and_logits_of_tensorflow(other, reference, graph):
    got, want = other[graph], reference[graph]
    assert got["sha256"] == want["sha256"]
    assert list(got["layers"]) == list(want["layers"])
    assert np.abs(got["logits"] - want["logits"]).max() <= 1e-4 * np.abs(want["logits"]).max()
    assert want["logits"].std() > 0.1


@pytest.mark.parametrize("module", ["alexnet", "blocks", "darknet", "squeezenet", "vgg"])
def test_the_builders_import_nothing_but_keras(module):
    source = (ROOT / "keras_nets" / f"{module}.py").read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1].partition(".")[0] for line in imports} <= {"keras", "keras_nets"}
