"""PyTorch beside ours, by stand-ins of torch and torchvision, which nothing here requires."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from export.benchmark import torch_session
from export.benchmark.torch_session import open_torch
from export.errors import ExportError

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)


@pytest.fixture
def torch(monkeypatch):
    """Notes in `asked` what was asked of it; its networks give the first pixel of each channel."""
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
        run = lambda x: SimpleNamespace(numpy=lambda: x[:, :, 0, 0])  # noqa: E731
        return SimpleNamespace(eval=lambda: run)

    torch.compile, models.vgg11 = compiled, vgg11
    for module in (torch, models, ModuleType("torchvision")):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return torch


def test_images_are_laid_out_as_pytorch_wants_them_and_only_once(torch):
    with open_torch("vgg11", 3, "eager", 2) as session:
        for _ in range(2):
            made = session.predict({"image": IMAGES})["output"]
    assert np.array_equal(made, IMAGES[:, 0, 0, :])
    assert torch.asked == [("threads", 2), ("tensor", (2, 3, 4, 4))]


def test_a_model_is_compiled_where_that_is_asked(torch):
    open_torch("vgg11", 3, "compiled", None)
    assert torch.asked == ["compiled"]


def test_a_network_that_torchvision_lacks_is_said(torch):
    with pytest.raises(ExportError, match="torchvision has no darknet53"):
        open_torch("darknet53", 3, "eager", None)


def test_a_machine_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExportError, match="pip install torch"):
        torch_session.open_torch("vgg11", 3, "eager", None)
