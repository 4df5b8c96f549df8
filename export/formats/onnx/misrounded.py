"""Bugs that rounding to 8 bits really has, put into a copy of an artifact, for the self-test."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import numpy_helper

from export.formats.onnx.pairs import DQ, Q
from export.formats.onnx.reading import MODEL, read_onnx, weights_schema
from export.formats.onnx.weightless import bypass
from export.skeleton.pour import Drained, marked
from export.skeleton.wire import Stream, rewrite, write

OFF, CLIPPED, MOVED = 1.01, 0.9, 9  # of a scale, of a range, of a zero point
BETWEEN = 0.25  # of a step: where a value may lie that was not rounded


@dataclass(frozen=True)
class _Model:
    """A model to change: its graph, and the contents that its marks stand for."""

    graph: object
    drained: Drained

    def held(self, name: str):
        return next(tensor for tensor in self.graph.initializer if tensor.name == name)

    def values(self, name: str) -> np.ndarray:
        tensor = self.held(name)
        k = marked(tensor.raw_data)
        if k is None:
            return numpy_helper.to_array(tensor)
        return self.drained.read(k, "i1").reshape(tuple(tensor.dims))

    def put(self, name: str, values: np.ndarray) -> None:
        self.held(name).CopyFrom(numpy_helper.from_array(np.asarray(values), name))

    @property
    def pair(self):
        """The QuantizeLinear in the middle of the network."""
        pairs = [node for node in self.graph.node if node.op_type == Q]
        return pairs[len(pairs) // 2]

    @property
    def kernels(self) -> list:
        """The DequantizeLinear of each kernel."""
        return [n for n in self.graph.node if n.op_type == DQ and n.input[0].endswith("kernel")]

    @property
    def kernel(self):
        """The DequantizeLinear of the kernel in the middle of the network."""
        return self.kernels[len(self.kernels) // 2]

    @property
    def bugs(self) -> Mapping[str, Callable[["_Model"], None]]:
        """Those that there is a place for, where layers were kept in 32 bits."""
        rounded = any(node.op_type == Q for node in self.graph.node)
        return {**(OF_ACTIVATIONS if rounded else {}), **(OF_KERNELS if self.kernels else {})}

    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """The integers of that kernel, and its scale in the shape that multiplies them."""
        values, scale = self.values(self.kernel.input[0]), self.values(self.kernel.input[1])
        sides = [1] * values.ndim
        sides[next(a.i for a in self.kernel.attribute if a.name == "axis")] = -1
        return values, scale.reshape(sides)


def _wrong_scale(model: _Model) -> None:
    name = model.pair.input[1]
    model.put(name, model.values(name) * np.float32(OFF))


def _clipped(model: _Model) -> None:
    name = model.pair.input[1]
    model.put(name, model.values(name) * np.float32(CLIPPED))


def _moved_zero(model: _Model) -> None:
    quantize, name = model.pair, "moved"
    held = model.values(quantize.input[2])
    zero = int(held)  # of whatever type
    moved = np.asarray(zero + (MOVED if zero < MOVED else -MOVED), held.dtype)
    model.graph.initializer.append(numpy_helper.from_array(moved, name))
    for node in model.graph.node:  # that of others stays
        if node is quantize or node.op_type == DQ and node.input[0] == quantize.output[0]:
            node.input[2] = name


def _one_scale(model: _Model) -> None:
    values, scale = model.steps()
    one = scale.max()
    node, name = model.kernel, "one"
    model.put(node.input[0], np.rint(values * scale / one).astype(np.int8))
    shape = model.values(node.input[1]).shape
    held = numpy_helper.from_array(np.full(shape, one, np.float32), name)
    model.graph.initializer.append(held)
    node.input[1] = name  # that of its bias, which is worked out of the kernel's, stays


def _unrounded(model: _Model) -> None:
    values, scale = model.steps()
    node = model.kernel
    model.put(node.input[0], ((values + np.float32(BETWEEN)) * scale).astype(np.float32))
    bypass(model.graph, node)


OF_ACTIVATIONS: dict[str, Callable[[_Model], None]] = {
    "a scale off by 1 %": _wrong_scale,
    "a range clipped by a tenth": _clipped,
    "a zero point moved": _moved_zero,
}
OF_KERNELS: dict[str, Callable[[_Model], None]] = {
    "one scale for all channels": _one_scale,
    "a kernel that is not rounded": _unrounded,
}


def misrounded(folder: Path, to: Path) -> Iterator[str]:
    """Write the model in `folder` to `to` with one bug after another; yield the bugs' names."""
    for name in _Model(read_onnx(folder)[0].graph, None).bugs:
        proto, drained = read_onnx(folder)
        model = _Model(proto.graph, drained)
        model.bugs[name](model)

        def content(_, held, drained=drained):
            k = marked(held)
            if k is None:
                return None
            return Stream(drained.spans[k][1], lambda: [drained.content(k)])

        serialized = memoryview(proto.SerializeToString(deterministic=True))
        with (to / MODEL).open("wb") as file:
            write(rewrite(serialized, weights_schema(), content), file)
        yield name
