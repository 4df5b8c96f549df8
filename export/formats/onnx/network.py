"""Open an ONNX model as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import onnx
import onnxruntime

from export.formats.onnx.reading import read_onnx, values_of
from export.networks.onnx import OnnxNetwork
from export.skeleton.pour import marked


def open_network(folder: Path) -> OnnxNetwork:
    """Open the model in `folder`; its weights are read once, and shared by all that is built."""
    model, drained = read_onnx(folder)
    values = {}
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not tensor.dims:
            restore_structure(tensor, drained)
            continue
        values[tensor.name] = onnxruntime.OrtValue.ortvalue_from_numpy(values_of(tensor, drained))
        leave_out(tensor)
    return OnnxNetwork(model, values)


def restore_structure(tensor, drained) -> None:
    """Put the content of a large tensor of no weight, such as indices, back into its place."""
    if (k := marked(tensor.raw_data)) is not None:
        tensor.raw_data = drained.content(k)


def leave_out(tensor) -> None:
    """Mark the initializer as external; its values are passed to the session separately."""
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="beside")
