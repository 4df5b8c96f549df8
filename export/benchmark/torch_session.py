"""torchvision's network of the same name in PyTorch: for comparison, never required."""

import numpy as np

from export.errors import ExportError
from export.lazy import need
from export.runtimes.base import Batch, Session
from export.runtimes.tensorrt import NVIDIA
from export.signatures import SIGNATURE

# Runtime's name -> the device, and how the model runs.
TORCH = {
    "torch": ("cpu", "eager"),
    "torch-compile": ("cpu", "compiled"),
    "torch-cuda": ("gpu", "eager"),
    "torch-cuda-graph": ("gpu", "captured"),
}


def why_not(device: str) -> str:
    """Why PyTorch cannot run on `device` of this machine, before it is imported."""
    return "needs a GPU" if device == "gpu" and not NVIDIA.exists() else ""


class TorchSession(Session):
    """Runs a model of one image in and one row of logits out.

    On a GPU the images are there before, as PyTorch's own benchmarks have them, and a call ends
    when the GPU has: its time is that of the device and of handing it the work. `device_ms` has
    what the device alone took for each call, by its own events.
    """

    def __init__(self, torch, model, device: str, way: str):
        self._torch, self._on_gpu, self._way = torch, device == "gpu", way
        self._model = model.to("cuda") if self._on_gpu else model
        if way == "compiled":
            self._model = torch.compile(model)
        self._prepared: dict[int, tuple] = {}  # array's id -> the array, and what runs it
        self.device_ms: list[float] = []

    def predict(self, batch: Batch, signature: str = SIGNATURE) -> Batch:
        (images,) = batch.values()
        with self._torch.inference_mode():
            run = self._run(images)
            made = self._on_device(run).cpu() if self._on_gpu else run()
        return {"output": made.numpy()}

    def _on_device(self, run):
        """What `run` gives, once the device is done; it is timed between two events there."""
        began, ended = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        made = run()
        ended.record()
        self._torch.cuda.synchronize()
        self.device_ms.append(began.elapsed_time(ended))
        return made

    def _run(self, images: np.ndarray):
        """What runs the model on `images`; made once, since only the network is measured."""
        if id(images) not in self._prepared:
            laid_out = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
            tensor = self._torch.from_numpy(laid_out)
            if self._on_gpu:
                tensor = tensor.to("cuda")
            run = self._captured(tensor) if self._way == "captured" else self._call(tensor)
            self._prepared[id(images)] = images, run
        return self._prepared[id(images)][1]  # beside its array, whose id stays its own

    def _call(self, tensor):
        return lambda: self._model(tensor)

    def _captured(self, tensor):
        """The model's kernels on `tensor` as one CUDA graph, after calls that choose them."""
        torch = self._torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._model(tensor)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            made = self._model(tensor)

        def replay():
            graph.replay()
            return made

        return replay

    def close(self) -> None:
        self._model = None
        self._prepared.clear()


def open_torch(name: str, classes: int, on: tuple[str, str], threads: int | None) -> TorchSession:
    """Build torchvision's model `name` with its own random weights, to be run as `on` says.

    `on` is a device and a way, one of TORCH. Raises ExportError where PyTorch sees no such device.
    """
    torch = need("torch", to="measuring PyTorch")
    models = need("torchvision.models", to="measuring PyTorch")
    device, way = on
    if not hasattr(models, name):
        raise ExportError(f"torchvision has no {name}; measure it without --torch")
    if device == "gpu" and not torch.cuda.is_available():
        raise ExportError("this PyTorch sees no GPU; install one that was built for its CUDA")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = getattr(models, name)(weights=None, num_classes=classes).eval()
    return TorchSession(torch, model, device, way)
