"""A network as an ONNX graph whose weights are handed to ONNX Runtime beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime

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
    is_ragged,
)

KINDS = {
    "Conv": CONV,
    "Gemm": DENSE,
    "MatMul": DENSE,
    "Relu": RELU,
    "LeakyRelu": RELU,
    "Clip": RELU,  # of which a ReLU6 is one
    "MaxPool": POOL,
    "Concat": JOIN,
    "Add": JOIN,
    "Pad": PAD,
}
CONVOLUTIONS = ("Conv", "ConvTranspose")
FLOAT = onnx.TensorProto.FLOAT
LARGE = 1 << 20  # values of a kernel


@dataclass
class OnnxNetwork:
    """A model without its weights."""

    graph: object  # a ModelProto
    values: dict[str, onnxruntime.OrtValue]  # by initializer

    def __post_init__(self):
        self.outputs = {output.name: output.name for output in self.graph.graph.output}
        self.nodes = {node.output[0]: node for node in self.graph.graph.node}
        self._floats = _floats(self.graph)
        self._takers = {}
        for node in self.graph.graph.node:
            for at, name in enumerate(node.input):
                self._takers.setdefault(name, (node, at))
        self.parts = tuple(self._parts())
        self._fed = self._feed_large_kernels()

    def read(self, weight: str) -> np.ndarray:
        values = self.values[weight].numpy()
        if self._is_kernel(weight):
            return values.transpose(*range(2, values.ndim), 1, 0)
        return values.T if self._is_turned(weight) else values

    def take(self, weight: str) -> np.ndarray:
        """The values of a weight that the network gives up: it cannot be built any more."""
        values = self.read(weight).copy()  # what `read` gives ends with the runtime's own
        del self.values[weight]
        return values

    def build(self, graph, weights: Mapping[str, np.ndarray] = UNCHANGED) -> Predict:
        own = {name: self._as_held(name, values) for name, values in weights.items()}
        session = self._session(graph, own)
        fed = {name: own.get(name, self.values[name]) for name in self._fed}
        names = list(self.outputs)
        return lambda batch: dict(zip(names, session.run(names, {**batch, **fed}), strict=True))

    def fetch(self, tensors: Iterable[str], batch: Batch) -> dict[str, np.ndarray]:
        tensors, model = list(tensors), onnx.ModelProto()
        model.CopyFrom(self.graph)
        kinds = {output.name: output for output in self.graph.graph.output}
        del model.graph.output[:]
        model.graph.output.extend(
            kinds.get(name) or onnx.helper.make_tensor_value_info(name, FLOAT, None)
            for name in tensors
        )
        fed = {name: self.values[name] for name in self._fed}
        found = self._session(model, {}).run(tensors, {**batch, **fed})
        return dict(zip(tensors, found, strict=True))

    def tensors(self) -> list[str]:
        return [name for name in self.nodes if name in self._floats]

    def _session(self, model, own: dict[str, onnxruntime.OrtValue]):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # A packed copy of every weight takes time that one run does not pay back.
        options.add_session_config_entry("session.disable_prepacking", "1")
        values = {k: v for k, v in {**self.values, **own}.items() if k not in self._fed}
        options.add_external_initializers(list(values), list(values.values()))
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def changed(self, edit: Edit):
        if not edit.changes:
            return self.graph
        model = onnx.ModelProto()
        model.CopyFrom(self.graph)
        nodes = {node.output[0]: node for node in model.graph.node}
        for change in edit.changes:
            CHANGES[change.verb](self, model.graph, nodes[change.node])
        return model

    def _feed_large_kernels(self) -> list[str]:
        """Make inputs of large dense kernels, because a session keeps no copy of what it is fed."""
        kernels = {part.kernel for part in self.parts if part.kind == DENSE and part.kernel}
        shapes = {name: self.values[name].shape() for name in kernels}
        fed = sorted(name for name in kernels if np.prod(shapes[name]) > LARGE)
        kept = [tensor for tensor in self.graph.graph.initializer if tensor.name not in fed]
        del self.graph.graph.initializer[:]
        self.graph.graph.initializer.extend(kept)
        self.graph.graph.input.extend(
            onnx.helper.make_tensor_value_info(name, FLOAT, shapes[name]) for name in fed
        )
        return fed

    def _parts(self):
        for node in self.graph.graph.node:
            kind = KINDS.get(node.op_type)
            weights = [name for name in node.input if name in self.values]
            counts = node.output[0] not in self._floats  # sizes, for one, which are added up too
            if kind is None or kind == JOIN and (weights or counts):
                continue
            kernel = bias = ""
            if kind in (CONV, DENSE):
                kernel, bias = [*weights, "", ""][:2]
                bias = bias or self._added_bias(node)
            yield Part(
                kind,
                node.output[0],
                node.output[0],
                kernel=kernel,
                bias=bias,
                padded=_is_padded(node),
                ragged=kind == POOL and _is_ragged(node, self._floats.get(node.input[0])),
            )

    def _added_bias(self, node) -> str:
        taker, _ = self._takers.get(node.output[0], (None, 0))
        if taker is None or taker.op_type != "Add":
            return ""
        return next((name for name in taker.input if name in self.values), "")

    def _is_kernel(self, weight: str) -> bool:
        node, at = self._takers.get(weight, (None, 0))
        return node is not None and node.op_type in CONVOLUTIONS and at == 1

    def _is_turned(self, weight: str) -> bool:
        node, at = self._takers.get(weight, (None, 0))
        return node is not None and node.op_type == "Gemm" and at == 1 and _integer(node, "transB")

    def _as_held(self, weight: str, values: np.ndarray):
        if self._is_kernel(weight):
            values = values.transpose(values.ndim - 1, values.ndim - 2, *range(values.ndim - 2))
        elif self._is_turned(weight):
            values = values.T
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(values, np.float32))


def _floats(model) -> dict[str, list[int | None]]:
    """The shapes of tensors that hold floats, by name; a size that is not known is None."""
    found = onnx.shape_inference.infer_shapes(model).graph
    kinds = {
        value.name: value.type.tensor_type
        for value in (*found.input, *found.value_info, *found.output)
    }
    return {
        name: [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
        for name, kind in kinds.items()
        if kind.elem_type == FLOAT
    }


def _attribute(node, name: str):
    return next((a for a in node.attribute if a.name == name), None)


def _integer(node, name: str) -> int:
    found = _attribute(node, name)
    return found.i if found else 0


def _pads(node) -> list[int] | None:
    """Return a convolution's explicit padding: before each axis, and then after each."""
    mode, pads = _attribute(node, "auto_pad"), _attribute(node, "pads")
    if mode is None or mode.s == b"NOTSET":
        return list(pads.ints) if pads else None
    strides, shape = _attribute(node, "strides"), _attribute(node, "kernel_shape")
    if mode.s == b"VALID" or shape is None or strides and set(strides.ints) != {1}:
        return None
    dilations = _attribute(node, "dilations")
    spread = dilations.ints if dilations else [1] * len(shape.ints)
    both = [(size - 1) * step for size, step in zip(shape.ints, spread, strict=True)]
    low, high = [total // 2 for total in both], [total - total // 2 for total in both]
    return low + high if mode.s == b"SAME_UPPER" else high + low


def _is_padded(node) -> bool:
    if node.op_type == "Pad":
        return True
    pads = _pads(node) if node.op_type == "Conv" else None
    return bool(pads) and max(pads[: len(pads) // 2]) > 0


def _is_even(node) -> bool:
    """Whether a pool pads by itself, and so is not rounded up here."""
    mode, pads = _attribute(node, "auto_pad"), _attribute(node, "pads")
    return mode is not None and mode.s.startswith(b"SAME") or pads is not None and any(pads.ints)


def _is_ragged(node, shape: list[int | None] | None) -> bool:
    """Whether a pool that takes a tensor of this shape gives another size if it rounds up."""
    if _is_even(node):
        return False
    windows = list(_attribute(node, "kernel_shape").ints)
    strides, dilations = (
        list(found.ints) if (found := _attribute(node, name)) else [1] * len(windows)
        for name in ("strides", "dilations")
    )
    spans = [(size - 1) * step + 1 for size, step in zip(windows, dilations, strict=True)]
    sizes = shape[2:] if shape else [None] * len(windows)
    return is_ragged(sizes, spans, strides)


def _set(node, name: str, value) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def _drop(node, name: str) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


def _bypass(_network, _graph, node) -> None:
    node.op_type = "Identity"
    del node.input[1:], node.attribute[:]


def _insert(graph, after, made) -> None:
    """Put `made` just before the node that gives `after`; nodes stand in running order."""
    at = next(i for i, node in enumerate(graph.node) if node.output[0] == after)
    graph.node.insert(at, made)


def _zero(_network, graph, node) -> None:
    source, zero = node.input[-1], f"{node.output[0]}/zero"
    _insert(graph, node.output[0], onnx.helper.make_node("Sub", [source, source], [zero]))
    node.input[len(node.input) - 1] = zero


def _halve(network, graph, node) -> None:
    name, kernel = node.output[0], next(n for n in node.input if n in network.values)
    channels = network.read(kernel).shape[-1]
    mask = np.ones((channels, *[1] * 2) if network._is_kernel(kernel) else channels, np.float32)
    mask[channels // 2 :] = 0
    graph.initializer.append(onnx.numpy_helper.from_array(mask, f"{name}/mask"))
    at = list(graph.node).index(node)
    node.output[0] = f"{name}/whole"
    masked = onnx.helper.make_node("Mul", [node.output[0], f"{name}/mask"], [name])
    graph.node.insert(at + 1, masked)


def _ceil(_network, _graph, node) -> None:
    if _is_even(node):
        return
    _drop(node, "auto_pad")
    _set(node, "ceil_mode", 1)


def _shift(network, graph, node) -> None:
    if node.op_type == "Conv":
        pads = _pads(node)
        _drop(node, "auto_pad")
        _set(node, "pads", _shifted(pads))
        return
    held = next(i for i in graph.initializer if i.name == node.input[1])
    pads = _shifted(onnx.numpy_helper.to_array(held).tolist())
    name = f"{node.output[0]}/pads"
    graph.initializer.append(onnx.numpy_helper.from_array(np.int64(pads), name))
    node.input[1] = name


def _shifted(pads: list[int]) -> list[int]:
    half = len(pads) // 2
    moved = [int(front > 0) for front in pads[:half]]
    front = [size - one for size, one in zip(pads[:half], moved, strict=True)]
    return front + [size + one for size, one in zip(pads[half:], moved, strict=True)]


CHANGES = {BYPASS: _bypass, ZERO: _zero, HALVE: _halve, CEIL: _ceil, SHIFT: _shift}
