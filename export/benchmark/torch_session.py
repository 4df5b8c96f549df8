"""torchvision's network of the same name, in PyTorch on the CPU: for comparison, never required."""

import numpy as np

from export.errors import ExportError
from export.lazy import need
from export.runtimes.base import Batch, Session
from export.signatures import SIGNATURE

TORCH = {"torch": "eager", "torch-compile": "compiled"}  # runtime's name -> how the model runs


class TorchSession(Session):
    """Runs a model of one image in and one row of logits out."""

    def __init__(self, torch, model, way: str):
        self._torch = torch
        self._model = torch.compile(model) if way == TORCH["torch-compile"] else model
        self._tensors: dict[int, object] = {}  # by the array that each was made of

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        (images,) = batch.values()
        with self._torch.inference_mode():
            made = self._model(self._prepared(images))
        return {"output": made.numpy()}

    def _prepared(self, images: np.ndarray):
        """The images as PyTorch lays them out; made once, since only the network is measured."""
        if id(images) not in self._tensors:
            laid_out = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
            self._tensors[id(images)] = images, self._torch.from_numpy(laid_out)
        return self._tensors[id(images)][1]  # beside its array, whose id stays its own

    def close(self) -> None:
        self._model = None


def open_torch(name: str, classes: int, way: str, threads: int | None) -> TorchSession:
    """Build torchvision's model `name` with its own random weights, to be run as `way` says."""
    torch = need("torch", to="measuring PyTorch")
    models = need("torchvision.models", to="measuring PyTorch")
    if not hasattr(models, name):
        raise ExportError(f"torchvision has no {name}; measure it without --torch")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    return TorchSession(torch, getattr(models, name)(weights=None, num_classes=classes).eval(), way)
