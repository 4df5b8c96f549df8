"""A reduced ONNX model with nothing in it that rounds: casts taken out, weights as float32."""

from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime

from export.formats.onnx.network import leave_out, restore_structure
from export.formats.onnx.pairs import DQ, PRODUCT, Q, Scaled, integer_weights
from export.formats.onnx.reading import FLOATS, read_onnx, values_of
from export.formats.onnx.weightless import bypass, drop_unread, drop_unread_initializers
from export.networks.onnx import OnnxNetwork

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def open_plain(folder: Path) -> OnnxNetwork:
    """Open the model in `folder` so; its weights are those of the artifact, rounded as they are."""
    model, drained = read_onnx(folder)
    scaled = integer_weights(model.graph)
    _take_casts_out(model)
    _take_pairs_out(model.graph, scaled)
    values = {}
    for tensor in model.graph.initializer:
        pair = scaled.get(tensor.name)
        if tensor.data_type not in FLOATS and not pair:
            restore_structure(tensor, drained)
            continue
        held = values_of(tensor, drained)
        held = pair.floats(held) if pair else held
        if not tensor.dims:
            tensor.CopyFrom(onnx.numpy_helper.from_array(held, tensor.name))
            continue
        values[tensor.name] = onnxruntime.OrtValue.ortvalue_from_numpy(held)
        tensor.data_type = FLOAT
        leave_out(tensor)
    return OnnxNetwork(model, values)


def _take_pairs_out(graph, scaled: Mapping[str, Scaled]) -> None:
    """Have weights read as floats, and activations as they are."""
    made = {name: node for node in graph.node for name in node.output}
    for node in [n for n in graph.node if n.op_type == DQ]:
        source = node.input[0]
        if source not in scaled:
            source = made[source].input[0]
        bypass(graph, node, source)
        made = {name: node for node in graph.node for name in node.output}
    for kind in (Q, PRODUCT):
        drop_unread(graph, kind)
    drop_unread_initializers(graph)


def _take_casts_out(model) -> None:
    """Leave no number of 16 bits in the graph, nor what turns one into another."""
    graph = model.graph
    for node in [n for n in graph.node if n.op_type == "Cast" and n.name in _between(model)]:
        bypass(graph, node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == HALF:
                values = onnx.numpy_helper.to_array(attribute.t).astype("<f4")
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(values, attribute.t.name))
    del graph.value_info[:]


def _between(model) -> set[str]:
    """Names of the casts from one kind of float to another."""
    found = onnx.shape_inference.infer_shapes(model).graph
    values = (*found.value_info, *found.input, *found.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    kinds |= {tensor.name: tensor.data_type for tensor in found.initializer}
    return {
        node.name
        for node in model.graph.node
        if node.op_type == "Cast"
        and kinds.get(node.input[0]) in FLOATS
        and node.attribute[0].i in FLOATS
    }
