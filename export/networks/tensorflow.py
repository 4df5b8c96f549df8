"""A network as a TensorFlow graph whose weights are fed: SavedModel, native segment, skeleton."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from export.contract import Batch
from export.networks.base import (
    BYPASS,
    CEIL,
    CONV,
    DENSE,
    HALVE,
    JOIN,
    PAD,
    POOL,
    RELU,
    SHIFT,
    UNCHANGED,
    ZERO,
    Edit,
    Part,
    Predict,
    in_order,
    is_ragged,
)
from export.networks.graph_function import GraphFunction
from export.skeleton.graph import add_constant, copied, producer

FLOAT = tf.float32.as_datatype_enum
KINDS = {
    "Conv2D": CONV,
    "DepthwiseConv2dNative": CONV,
    "MatMul": DENSE,
    "Relu": RELU,
    "Relu6": RELU,
    "LeakyRelu": RELU,
    "MaxPool": POOL,
    "ConcatV2": JOIN,
    "AddV2": JOIN,
    "Pad": PAD,
    "PadV2": PAD,
}


@dataclass
class TensorFlowNetwork:
    """A GraphDef in which every weight is a placeholder; calls of functions are left alone."""

    graph: object
    inputs: dict[str, str]  # the tensor of each input, by its name
    outputs: dict[str, str]  # the tensor of each output, by its name
    values: dict[str, tf.Tensor]  # by placeholder
    _: KW_ONLY
    names: dict[str, str]  # of the weights, by placeholder

    def __post_init__(self):
        self._holders = {name: holder for holder, name in self.names.items()}
        sources, self._given = {}, set(map(producer, self.inputs.values()))
        for node in self.graph.node:
            if node.name in self._given and node.op != "Placeholder":
                node.op = "Placeholder"  # it had a default, such as decoded pictures
                del node.input[:]
            # Nothing here has side effects that need an order.
            node.input[:] = [source for source in node.input if not source.startswith("^")]
            sources[node.name] = [producer(source) for source in node.input]
        order = in_order(sources, map(producer, self.outputs.values()))
        nodes = {node.name: node for node in self.graph.node}
        used = type(self.graph)(versions=self.graph.versions, library=self.graph.library)
        used.node.extend(nodes[name] for name in order)
        self.graph = used
        self.nodes = {node.name: node for node in used.node}
        self.parts = tuple(self._parts())

    def read(self, weight: str) -> np.ndarray:
        return self.values[self._holders[weight]].numpy()

    def build(self, graph, weights: Mapping[str, np.ndarray] = UNCHANGED) -> Predict:
        own = {self._holders[name]: tf.constant(value) for name, value in weights.items()}
        run = self.function(list(self.outputs.values()), graph, {**self.values, **own})

        def predict(batch: Batch) -> Batch:
            return {
                name: tensor.numpy() for name, tensor in zip(self.outputs, run(batch), strict=True)
            }

        return predict

    def fetch(self, tensors: Iterable[str], batch: Batch) -> dict[str, np.ndarray]:
        tensors = list(tensors)
        found = self.function(tensors)(batch)
        return {name: tensor.numpy() for name, tensor in zip(tensors, found, strict=True)}

    def tensors(self) -> list[str]:
        return [f"{name}:0" for name in self.nodes if self.is_float(name)]

    def function(self, tensors: list[str], graph=None, values=None):
        """A function from a batch to `tensors` of the graph, or of a changed one."""
        graph, values = graph or self.graph, self.values if values is None else values
        read = self.read_inputs()
        given = [*map(producer, read.values()), *values]
        ports = [name if ":" in name else f"{name}:0" for name in tensors]
        network, fed = GraphFunction(graph, given, ports), list(values.values())
        return lambda batch: network([*(tf.constant(batch[name]) for name in read), *fed])

    def read_inputs(self) -> dict[str, str]:
        """The tensor of each input by its name; one that nothing reads is no node of the graph."""
        ends = self.inputs.items()
        return {name: tensor for name, tensor in ends if producer(tensor) in self.nodes}

    def changed(self, edit: Edit):
        if not edit.changes:
            return self.graph
        graph = copied(self.graph)
        nodes = {node.name: node for node in graph.node}
        for change in edit.changes:
            CHANGES[change.verb](self, graph, nodes[change.node])
        return graph

    def shape(self, tensor: str) -> tuple:
        """The static shape of a tensor; a free axis is None."""
        port = tensor if ":" in tensor else f"{tensor}:0"
        return tuple(self._imported.get_tensor_by_name(port).shape.as_list())

    def is_float(self, node: str) -> bool:
        """Whether the node computes one tensor of float32."""
        operation = self._imported.get_operation_by_name(node)
        kinds = [tensor.dtype for tensor in operation.outputs]
        return kinds == [tf.float32] and operation.type not in ("Const", "Placeholder")

    def is_float_input(self, source: str) -> bool:
        """Whether `source`, which a node reads, is an input of the network, and of float32."""
        given = producer(source) in self._given
        return given and self.nodes[producer(source)].attr["dtype"].type == FLOAT

    @cached_property
    def _imported(self) -> tf.Graph:
        imported = tf.Graph()
        with imported.as_default():
            tf.import_graph_def(self.graph, name="")
        return imported

    def _parts(self):
        biases = {}
        for name in self.nodes:
            node = self.nodes[name]
            if node.op == "BiasAdd" and producer(node.input[1]) in self.names:
                biases[producer(node.input[0])] = self.names[producer(node.input[1])]
        for name in self.nodes:
            node = self.nodes[name]
            kind = KINDS.get(node.op)
            if kind is None or kind == JOIN and not self._joins(node):
                continue
            kernel = self._kernel(node) if kind in (CONV, DENSE) else ""
            bias = biases.get(name, "")
            yield Part(
                kind,
                name,
                f"{name}:0",
                kernel=kernel,
                bias=bias,
                padded=self._is_padded(node),
                ragged=kind == POOL and self._is_ragged(node),
            )

    def _kernel(self, node) -> str:
        holder = producer(node.input[1])
        while self.nodes[holder].op in ("ExpandDims", "Reshape"):  # of one axis, or of groups
            holder = producer(self.nodes[holder].input[0])
        return self.names.get(holder, "")

    def _is_padded(self, node) -> bool:
        """Whether the node pads where it could do so one pixel off."""
        if node.op in ("Pad", "PadV2"):
            return True
        if not node.op.startswith(("Conv2D", "Depthwise")) or node.attr["padding"].s != b"SAME":
            return False
        wide = max(self.shape(node.input[1])[:2]) > 1
        return wide and list(node.attr["strides"].list.i) == [1, 1, 1, 1]

    def _is_ragged(self, node) -> bool:
        """Whether a pool gives another size if it rounds up, or may."""
        if node.attr["padding"].s != b"VALID":
            return False
        sizes = (node.attr[name].list.i[1:3] for name in ("ksize", "strides"))
        return is_ragged(self.shape(node.input[0])[1:3], *sizes)

    def _joins(self, node) -> bool:
        """Whether the node joins branches, rather than adding a constant or counting."""
        last = producer(_joined(node)[-1])
        branches = self.nodes[last].op not in ("Const", "Placeholder")
        return branches and self.is_float(node.name)


def _joined(node) -> list[str]:
    return list(node.input[:-1] if node.op == "ConcatV2" else node.input[:2])


def _bypass(_network, _graph, node) -> None:
    node.op, kind = "Identity", node.attr["T"].type
    del node.input[1:]
    node.attr.clear()
    node.attr["T"].type = kind


def _zero(_network, graph, node) -> None:
    at = len(_joined(node)) - 1
    graph.node.add(
        op="ZerosLike", name=f"{node.name}/zero", input=[node.input[at]]
    ).attr["T"].type = node.attr["T"].type  # fmt: skip
    node.input[at] = f"{node.name}/zero"


def _halve(network, graph, node) -> None:
    biased = (n for n in graph.node if n.op == "BiasAdd" and producer(n.input[0]) == node.name)
    node = next(biased, node)
    mask = np.ones(network.shape(node.name)[-1], np.float32)
    mask[len(mask) // 2 :] = 0
    name, kind = node.name, node.attr["T"].type
    node.name = f"{name}/whole"
    add_constant(graph, f"{name}/mask", mask)
    inputs = [node.name, f"{name}/mask"]
    graph.node.add(op="Mul", name=name, input=inputs).attr["T"].type = kind


def _ceil(network, graph, node) -> None:
    """Pad below and to the right by what a window that hangs over the edge may lack.

    What is left of it when all windows are placed is read by none.
    """
    if node.attr["padding"].s != b"VALID":
        return
    pads = np.zeros((4, 2), np.int32)
    pads[1:3, 1] = [stride - 1 for stride in node.attr["strides"].list.i[1:3]]
    name = node.name
    add_constant(graph, f"{name}/pads", pads)
    add_constant(graph, f"{name}/least", np.float32(-np.inf))
    inputs = [node.input[0], f"{name}/pads", f"{name}/least"]
    pad = graph.node.add(op="PadV2", name=f"{name}/ceil", input=inputs)
    pad.attr["T"].type, pad.attr["Tpaddings"].type = node.attr["T"].type, tf.int32.as_datatype_enum
    node.input[0] = pad.name


def _shift(network, graph, node) -> None:
    if node.op in ("Pad", "PadV2"):
        pads = tf.make_ndarray(network.nodes[producer(node.input[1])].attr["value"].tensor).copy()
        shifted = pads[1:3, 0] > 0
        pads[1:3][shifted] += np.array([-1, 1], pads.dtype)
        add_constant(graph, f"{node.name}/pads", pads)
        node.input[1] = f"{node.name}/pads"
        return
    height, width = network.shape(node.input[1])[:2]
    dilations = list(node.attr["dilations"].list.i) or [1, 1, 1, 1]
    pads = [0, 0]
    for size, dilation in ((height, dilations[1]), (width, dilations[2])):
        both = (size - 1) * dilation
        front = max(both // 2 - 1, 0)
        pads += [front, both - front]
    node.attr["padding"].s = b"EXPLICIT"
    node.attr["explicit_paddings"].list.i.extend([*pads, 0, 0])


CHANGES = {BYPASS: _bypass, ZERO: _zero, HALVE: _halve, CEIL: _ceil, SHIFT: _shift}
