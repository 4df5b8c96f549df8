"""ONNX: one file for ONNX Runtime, TensorRT, OpenVINO and Triton.

tf2onnx converts the skeleton, in which every weight is an input of the graph; the transposes and
reshapes that it puts on those inputs are the recipes by which the weights are poured.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.contract import Contract
from export.errors import ExportError, PourError
from export.formats.base import Format, Opened, Order, Written
from export.formats.names import ONNX, ONNXRUNTIME
from export.formats.onnx.conversion import from_graph
from export.formats.onnx.convertible import unconvertible, unknown
from export.formats.onnx.reading import DATA, MODEL, open_onnx, weights_schema
from export.formats.stock import pour_or_stock
from export.networks.base import Network
from export.skeleton.pour import Placement, Step, follow, mark, marked, pour

STOCK_FACTOR = 90  # DarkNet-53 (159 MB) took tf2onnx 14 GB
ALIGNMENT = 4096  # of external data, so that runtimes can map it


@dataclass(frozen=True, kw_only=True)
class Onnx(Format):
    name: str = "onnx"
    title: str = "one file for ONNX Runtime, TensorRT, OpenVINO and Triton"
    kind: str = ONNX
    server: str = ONNXRUNTIME
    opset: int = 17  # 18 turns global pooling into a reduction and one more transpose
    largest: int = 2_000_000_000  # bytes of weights in a single file; protobuf ends at 2 GiB

    @property
    def promises(self) -> dict:
        return {"opset": self.opset}

    def write(self, order: Order) -> Written:
        skeleton = order.skeleton
        if skeleton.weight_bytes > self.largest:
            return Written(self._pour(order))
        return pour_or_stock(
            lambda: self._pour(order),
            lambda: self.write_stock(order),
            weight_bytes=skeleton.weight_bytes,
            factor=STOCK_FACTOR,
        )

    def _pour(self, order: Order) -> str:
        weights = order.skeleton.weights
        model, placements = order.conversion.once(lambda: self.convert(order.skeleton))
        return write_poured(model, weights, placements, order.folder, self.largest)

    def write_stock(self, order: Order) -> None:
        from export.skeleton.tracing import with_constants

        skeleton = order.skeleton
        graph = with_constants(skeleton, lambda _, weight: weight.read())
        model = _finish(self._run_tf2onnx(graph, skeleton, []), [], skeleton)
        (order.folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))

    def unfit(self, contract: Contract) -> str:
        texts = [tensor.name for tensor in contract.inputs if tensor.dtype == "string"]
        return f"ONNX has no operators on text, and {texts[0]} is text" if texts else ""

    def limit(self, skeleton) -> str:
        return unconvertible(skeleton, self.name, self.opset)

    def open(self, folder: Path) -> Opened:
        return open_onnx(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.onnx.network import open_network

        return open_network(folder)

    def convert(self, skeleton):
        """The ONNX model of the skeleton, its weights marked, and where they go."""
        from export.skeleton.tracing import stand_in

        names = [f"{stand_in(index)}:0" for index in range(len(skeleton.weights))]
        model = self._run_tf2onnx(skeleton.graph, skeleton, names)
        indices = {name: index for index, name in enumerate(names)}
        placements = _placements(model.graph, indices, skeleton.weights)
        return _finish(model, placements, skeleton), placements

    def _run_tf2onnx(self, graph, skeleton, stand_ins: list[str]):
        model = from_graph(graph, skeleton, stand_ins, self.opset)
        _refuse_unknown(model.graph, self.name)
        return model


FORMAT = Onnx()


def _refuse_unknown(graph, format: str) -> None:
    """Raise ExportError for an operation of TensorFlow that the converter left as it was."""
    import onnx

    for node in graph.node:
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type):
            raise ExportError(unknown(node.op_type, node.name, format))


def _placements(graph, indices: dict[str, int], weights) -> list[Placement]:
    """Take the operations on stand-ins out of `graph`, and return them as recipes."""
    from onnx import numpy_helper

    constants = {init.name: init for init in graph.initializer}
    made = {name: (index, ()) for name, index in indices.items()}
    kept = []
    for node in graph.node:
        step = None
        if node.input and node.input[0] in made and node.op_type in RECIPES:
            numbers = _numbers(node, constants, numpy_helper)
            index, steps = made[node.input[0]]
            step = RECIPES[node.op_type](_shape(weights[index], steps), numbers)
        if step is None:
            kept.append(node)
        else:
            made[node.output[0]] = (index, (*steps, *step))
    del graph.node[:]
    graph.node.extend(kept)
    _absorb_biases(graph, made, weights)

    used = {name for node in graph.node for name in node.input}
    return [
        Placement(index, name, _shape(weights[index], steps), steps)
        for name, (index, steps) in made.items()
        if name in used
    ]


def _numbers(node, constants, numpy_helper) -> list[int] | None:
    """The axes or the shape that `node` takes, from its attribute or its constant input."""
    for attribute in node.attribute:
        if attribute.name in ("perm", "axes"):
            return list(attribute.ints)
    if len(node.input) > 1 and node.input[1] in constants:
        return [int(n) for n in numpy_helper.to_array(constants[node.input[1]]).ravel()]
    return None


def _transpose(shape, axes):
    return (Step("transpose", tuple(axes or reversed(range(len(shape))))),)


def _reshape(shape, numbers):
    if numbers is None or 0 in numbers:
        return None
    return (Step("reshape", np.broadcast_to(np.float32(0), shape).reshape(numbers).shape),)


def _squeeze(shape, axes):
    empty = np.broadcast_to(np.float32(0), shape)
    return (Step("reshape", np.squeeze(empty, tuple(axes) if axes else None).shape),)


def _unsqueeze(shape, axes):
    empty = np.broadcast_to(np.float32(0), shape)
    return (Step("reshape", np.expand_dims(empty, tuple(axes)).shape),)


def _nothing(_shape, _numbers):
    return ()


RECIPES = {
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Identity": _nothing,
}


def _shape(weight, steps) -> tuple[int, ...]:
    return follow(steps, np.broadcast_to(np.float32(0), weight.shape)).shape


def _absorb_biases(graph, made, weights) -> None:
    """Turn Conv, then Add of a bias over the channels, into a Conv with that bias.

    tf2onnx does so itself, but not where it has merged explicit padding into the convolution.
    """
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    convolutions = {
        node.output[0]: node
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 2 and uses[node.output[0]] == 1
    }
    absorbed = []
    for node in graph.node:
        if node.op_type != "Add" or uses[node.input[1]] != 1 and node.input[1] in made:
            continue
        source, bias = node.input
        if source not in convolutions:
            source, bias = bias, source
        if source not in convolutions or bias not in made:
            continue
        index, steps = made[bias]
        shape = _shape(weights[index], steps)
        channels = weights[index].shape
        if len(channels) == 1 and shape in ((*channels, 1, 1), (1, *channels, 1, 1)):
            conv = convolutions[source]
            made[f"{bias}/vector"] = (index, ())
            conv.input.append(f"{bias}/vector")
            conv.output[0] = node.output[0]
            absorbed.append(node)
    for node in absorbed:
        graph.node.remove(node)


def _finish(model, placements, skeleton):
    """Leave the inputs, name weights as Keras does, and put marked initializers in their place."""
    import onnx

    graph = model.graph
    names = {p.tensor: skeleton.weights[p.index].name for p in placements}
    if len(set(names.values())) != len(names):
        names = {}  # a doubled stand-in: `pour` says which
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
    used = {name for node in graph.node for name in node.input}
    inputs = _declared(graph.input, skeleton.contract.inputs)
    _declared(graph.output, skeleton.contract.outputs)
    small = [init for init in graph.initializer if init.name in used]
    poured = [
        onnx.TensorProto(
            name=names.get(p.tensor, p.tensor),
            data_type=onnx.TensorProto.FLOAT,
            dims=p.shape,
            raw_data=mark(p.index),
        )
        for p in sorted(placements, key=lambda p: p.index)
    ]
    for field, values in (("input", inputs), ("initializer", small + poured)):
        del getattr(graph, field)[:]
        getattr(graph, field).extend(values)
    del graph.value_info[:]
    graph.name, graph.doc_string = skeleton.name, ""
    model.producer_name, model.producer_version, model.doc_string = "keras-nets", "", ""
    return model


def write_poured(model, weights, placements, folder: Path, largest: int) -> str:
    """Write `model` with its weights; where they are more than `largest` bytes, beside it.

    Returns what is unusual about how it was written.
    """
    stored = sum(p.store.itemsize * math.prod(p.shape) for p in placements)
    if stored > largest:
        _write_external(model, weights, placements, folder)
        return f"weights beside the graph in {DATA}, because protobuf ends at 2 GB"
    data = model.SerializeToString(deterministic=True)
    pour(data, weights_schema(), weights, placements, folder / MODEL)
    return ""


def _declared(values, tensors) -> list:
    """Return those of `values` that the contract has, in its order, with its shapes."""
    import onnx

    own = {value.name: value for value in values}
    lost = [tensor.name for tensor in tensors if tensor.name not in own]
    if lost:
        raise PourError(f"the converter lost the tensor {lost[0]!r} of the contract")
    for tensor in tensors:
        shape = own[tensor.name].type.tensor_type.shape
        shape.Clear()
        for size in tensor.shape:
            shape.dim.append(
                onnx.TensorShapeProto.Dimension(dim_value=size)
                if isinstance(size, int)
                else onnx.TensorShapeProto.Dimension(dim_param=size)
            )
    return [own[tensor.name] for tensor in tensors]


def _write_external(model, weights, placements, folder: Path) -> None:
    """Write the graph to one file and the weights, aligned, to another beside it."""
    import onnx

    from export.skeleton.pour import check_placements

    check_placements(weights, placements)
    places = {p.index: p for p in placements}
    with (folder / DATA).open("wb") as file:
        for tensor in model.graph.initializer:
            index = marked(tensor.raw_data)
            if index is None:
                continue
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            offset = file.tell()
            for chunk in places[index].chunks(weights[index]):
                file.write(chunk)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (
                ("location", DATA),
                ("offset", offset),
                ("length", file.tell() - offset),
            ):
                tensor.external_data.add(key=key, value=str(value))
    (folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))
