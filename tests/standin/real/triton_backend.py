"""A Python backend for Triton, named onnxruntime, that stands for the real backend of that name.

The wheel nvidia-pytriton brings the real tritonserver, and of backends only Python's. Triton reads
config.pbtxt, queues, batches and warms up; only the run of model.onnx is this file's.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

BATCHES = Path(__file__).with_name("batches.txt")  # a line for each run, for the tests


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"], args["model_version"])
        self.session = onnxruntime.InferenceSession(folder / config["default_model_filename"])
        self.name = config["name"]
        self.inputs = [entry["name"] for entry in config["input"]]
        self.outputs = [entry["name"] for entry in config["output"]]

    def execute(self, requests):
        feeds = {
            name: [triton.get_input_tensor_by_name(r, name).as_numpy() for r in requests]
            for name in self.inputs
        }
        sizes = [len(array) for array in feeds[self.inputs[0]]]
        with BATCHES.open("a") as file:
            file.write(f"{self.name} {sum(sizes)}\n")
        joined = {name: np.concatenate(arrays) for name, arrays in feeds.items()}
        cuts = np.cumsum(sizes)[:-1]
        rows = [np.split(array, cuts) for array in self.session.run(self.outputs, joined)]
        return [
            triton.InferenceResponse(
                [triton.Tensor(name, part) for name, part in zip(self.outputs, parts, strict=True)]
            )
            for parts in zip(*rows, strict=True)
        ]
