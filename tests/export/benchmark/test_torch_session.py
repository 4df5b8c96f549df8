"""PyTorch beside ours, by stand-ins of torch and torchvision, which nothing here requires."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from export.benchmark import torch_session
from export.benchmark.torch_session import TORCH, open_torch, why_not
from export.errors import ExportError

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)


class Model:
    """Gives the first pixel of each channel."""

    def __call__(self, x):
        made = SimpleNamespace(numpy=lambda: x[:, :, 0, 0])
        made.cpu = lambda: made
        return made

    def eval(self):
        return self

    def to(self, device):
        return self


@pytest.fixture
def torch(monkeypatch):
    """Notes in `asked` what was asked of it."""
    torch, models = ModuleType("torch"), ModuleType("torchvision.models")
    torch.asked = []
    torch.inference_mode = contextlib.nullcontext
    torch.set_num_threads = lambda count: torch.asked.append(("threads", count))
    torch.manual_seed = lambda seed: None
    torch.from_numpy = lambda array: torch.asked.append(("tensor", array.shape)) or array

    def compiled(model):
        torch.asked.append("compiled")
        return model

    def vgg11(weights, num_classes):
        assert weights is None and num_classes == 3
        return Model()

    torch.compile, models.vgg11 = compiled, vgg11
    for module in (torch, models, ModuleType("torchvision")):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return torch


def test_images_are_laid_out_as_pytorch_wants_them_and_only_once(torch):
    with open_torch("vgg11", 3, TORCH["torch"], 2) as session:
        for _ in range(2):
            made = session.predict({"image": IMAGES})["output"]
    assert np.array_equal(made, IMAGES[:, 0, 0, :])
    assert torch.asked == [("threads", 2), ("tensor", (2, 3, 4, 4))]


def test_a_model_is_compiled_where_that_is_asked(torch):
    open_torch("vgg11", 3, TORCH["torch-compile"], None)
    assert torch.asked == ["compiled"]


@pytest.fixture
def cuda(torch, monkeypatch):
    """The same with a GPU, whose tensors and kernels are the stand-in's own."""

    class Array(np.ndarray):
        def to(self, device):
            torch.asked.append(("to", device))
            return self

    class Graph:
        def replay(self):
            torch.asked.append("replay")

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            torch.asked.append("event")

        def elapsed_time(self, later):
            return 2.5

    stream = SimpleNamespace(wait_stream=lambda other: None)
    torch.from_numpy = lambda array: array.view(Array)
    torch.cuda = SimpleNamespace(
        is_available=lambda: True,
        synchronize=lambda: torch.asked.append("synchronize"),
        Event=Event,
        Stream=lambda: stream,
        current_stream=lambda: stream,
        stream=contextlib.nullcontext,
        CUDAGraph=Graph,
        graph=contextlib.nullcontext,
    )
    return torch


def test_on_a_gpu_a_call_ends_when_the_gpu_has(cuda):
    with open_torch("vgg11", 3, TORCH["torch-cuda"], None) as session:
        for _ in range(2):
            made = session.predict({"image": IMAGES})["output"]
    assert np.array_equal(made, IMAGES[:, 0, 0, :])
    assert session.device_ms == [2.5, 2.5]
    assert cuda.asked == [("to", "cuda"), *["event", "event", "synchronize"] * 2]


def test_a_captured_model_is_captured_once_and_replayed(cuda):
    with open_torch("vgg11", 3, TORCH["torch-cuda-graph"], None) as session:
        for _ in range(2):
            made = session.predict({"image": IMAGES})["output"]
    assert np.array_equal(made, IMAGES[:, 0, 0, :])
    assert cuda.asked == [("to", "cuda"), *["event", "replay", "event", "synchronize"] * 2]


def test_a_pytorch_that_sees_no_gpu_is_said_and_never_timed(cuda):
    cuda.cuda.is_available = lambda: False
    with pytest.raises(ExportError, match="sees no GPU"):
        open_torch("vgg11", 3, TORCH["torch-cuda"], None)


def test_a_machine_without_a_gpu_says_so_before_pytorch_is_imported(monkeypatch, tmp_path):
    monkeypatch.setattr(torch_session, "NVIDIA", tmp_path / "absent")
    assert why_not("gpu") == "needs a GPU" and why_not("cpu") == ""


def test_a_network_that_torchvision_lacks_is_said(torch):
    with pytest.raises(ExportError, match="torchvision has no darknet53"):
        open_torch("darknet53", 3, TORCH["torch"], None)


def test_a_machine_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExportError, match="pip install torch"):
        torch_session.open_torch("vgg11", 3, TORCH["torch"], None)
