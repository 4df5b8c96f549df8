"""A network as a model of OpenVINO, whose weights are constants that others can replace."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import openvino
from openvino import opset13

from export.contract import Batch, Predict
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
    is_ragged,
)

KINDS = {
    "Convolution": CONV,
    "GroupConvolution": CONV,
    "MatMul": DENSE,
    "Relu": RELU,
    "PRelu": RELU,
    "Clamp": RELU,  # of which a ReLU6 is one
    "MaxPool": POOL,
    "Concat": JOIN,
    "Add": JOIN,
    "Pad": PAD,
}
FLOAT = openvino.Type.f32
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@dataclass
class OpenVinoNetwork:
    """A model, the names of its weights, and how one is read from its file and laid out for it."""

    graph: openvino.Model
    weights: frozenset[str]
    read: Callable[[str], np.ndarray]
    held: Callable[[str, np.ndarray], np.ndarray]

    def __post_init__(self):
        names = [output.any_name for output in self.graph.outputs]
        self.outputs = dict(zip(names, names, strict=True))
        self.parts = tuple(self._parts())

    def take(self, weight: str) -> np.ndarray:
        """The values of a weight; the network gives up its graph, which maps them all."""
        self.graph = None
        return self.read(weight)

    def changed(self, edit: Edit):
        if not edit.changes:
            return self.graph
        model = self.graph.clone()
        nodes = _by_name(model)
        for change in edit.changes:
            CHANGES[change.verb](nodes[change.node])
        model.validate_nodes_and_infer_types()
        return model

    def build(self, graph, weights: Mapping[str, np.ndarray] = UNCHANGED) -> Predict:
        if weights:
            graph = graph.clone()
            nodes = _by_name(graph)
            for name, values in weights.items():
                _replace(_as_float(nodes[name]), opset13.constant(self.held(name, values)))
        names = list(self.outputs)
        run = openvino.Core().compile_model(graph, "CPU", EXACT)

        def predict(batch: Batch) -> Batch:
            made = run(dict(batch))
            return {name: np.array(made[at]) for at, name in enumerate(names)}

        return predict

    def fetch(self, tensors: Iterable[str], batch: Batch) -> dict[str, np.ndarray]:
        tensors, model = list(tensors), self.graph.clone()
        found = {name: output for name, output in _floats(model)}
        shown = model.add_outputs([found[name] for name in tensors if name not in self.outputs])
        places = {one.get_node().input_value(0): at for at, one in enumerate(model.outputs)}
        made = openvino.Core().compile_model(model, "CPU", EXACT)(dict(batch))
        del shown
        return {name: np.array(made[places[found[name]]]) for name in tensors}

    def tensors(self) -> list[str]:
        return [name for name, _ in _floats(self.graph)]

    def _parts(self):
        for node in self.graph.get_ordered_ops():
            kind = KINDS.get(node.get_type_name())
            if kind is None or node.output(0).get_element_type() != FLOAT:
                continue
            held = [self._weight(node.input_value(at)) for at in range(node.get_input_size())]
            if kind == JOIN and any(map(_is_constant, _sources(node))):
                continue
            kernel = held[1] if kind in (CONV, DENSE) else ""
            name = node.get_friendly_name()
            bias = self._added_bias(node) if kernel else ""
            yield Part(
                kind,
                name,
                _name(node),
                kernel=kernel,
                bias=bias,
                padded=_is_padded(node),
                ragged=kind == POOL and _is_ragged(node),
            )

    def _weight(self, source) -> str:
        """The name of the weight that a tensor is; empty where it is none."""
        node = source.get_node()
        if node.get_type_name() == "Convert":
            node = node.input_value(0).get_node()
        name = node.get_friendly_name()
        return name if name in self.weights else ""

    def _added_bias(self, node) -> str:
        takers = [target.get_node() for target in node.output(0).get_target_inputs()]
        if len(takers) != 1 or takers[0].get_type_name() != "Add":
            return ""
        return self._weight(takers[0].input_value(1)) or self._weight(takers[0].input_value(0))


def _by_name(model) -> dict:
    return {node.get_friendly_name(): node for node in model.get_ops()}


def _name(node) -> str:
    """The name that the converter gave what a node computes, or else the node's own."""
    names = node.output(0).get_names()
    return min(names) if names else node.get_friendly_name()


def _floats(model):
    """Yield (name, output) of each float tensor that an operation computes, in running order."""
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Parameter", "Result") or _is_constant(node):
            continue
        if node.get_output_size() == 1 and node.output(0).get_element_type() == FLOAT:
            yield _name(node), node.output(0)


def _sources(node) -> list:
    return [node.input_value(at).get_node() for at in range(node.get_input_size())]


def _is_constant(node) -> bool:
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node.get_type_name() == "Constant"


def _as_float(constant):
    """What gives the numbers of a weight as they are computed with."""
    (taker, *_) = [target.get_node() for target in constant.output(0).get_target_inputs()]
    return taker if taker.get_type_name() == "Convert" else constant


def _replace(node, other) -> None:
    """Have whoever reads `node` read `other`."""
    for target in node.output(0).get_target_inputs():
        if target.get_node() != other:
            target.replace_source_output(other.output(0))


def _is_padded(node) -> bool:
    kind = node.get_type_name()
    if kind == "Pad":
        return True
    return kind in ("Convolution", "GroupConvolution") and max(_pads(node)[0]) > 0


def _pads(node) -> tuple[list[int], list[int]]:
    """Padding before and after each axis; OpenVINO computes what `same` means for the shape."""
    options = node.get_attributes()
    return list(options["pads_begin"]), list(options["pads_end"])


def _is_even(node) -> bool:
    """Whether a pool pads by itself, and so is not rounded up here."""
    options = node.get_attributes()
    padded = [*options["pads_begin"], *options["pads_end"]]
    return options["auto_pad"].startswith("same") or any(padded)


def _is_ragged(node) -> bool:
    """Whether a pool gives another size if it rounds up, or may."""
    options, shape = node.get_attributes(), node.input_value(0).get_partial_shape()
    if _is_even(node):
        return False
    windows, strides = list(options["kernel"]), list(options["strides"])
    steps = list(options.get("dilations", [1] * len(windows)))
    spans = [(size - 1) * step + 1 for size, step in zip(windows, steps, strict=True)]
    sizes = [axis.get_length() if axis.is_static else None for axis in list(shape)[2:]]
    return is_ragged(sizes, spans, strides)


def _bypass(node) -> None:
    _replace(node, node.input_value(0).get_node())


def _zero(node) -> None:
    last = node.input(node.get_input_size() - 1)
    source = last.get_source_output()
    last.replace_source_output(opset13.subtract(source, source).output(0))


def _halve(node) -> None:
    channels = node.output(0).partial_shape[1].get_length()
    mask = np.ones((channels, *[1] * (len(node.output(0).partial_shape) - 2)), np.float32)
    mask[channels // 2 :] = 0
    targets = list(node.output(0).get_target_inputs())
    masked = opset13.multiply(node, opset13.constant(mask))
    for target in targets:
        target.replace_source_output(masked.output(0))


def _ceil(node) -> None:
    if _is_even(node):
        return
    node.set_attribute("auto_pad", "explicit")
    node.set_attribute("rounding_type", "ceil")


def _shift(node) -> None:
    if node.get_type_name() == "Pad":
        begin, end = (source.get_data() for source in _sources(node)[1:3])
    else:
        begin, end = map(np.array, _pads(node))
    moved = (begin > 0).astype(begin.dtype)
    if node.get_type_name() != "Pad":
        node.set_attribute("auto_pad", "explicit")
        node.set_attribute("pads_begin", [int(size) for size in begin - moved])
        node.set_attribute("pads_end", [int(size) for size in end + moved])
        return
    for at, pads in ((1, begin - moved), (2, end + moved)):
        node.input(at).replace_source_output(opset13.constant(pads).output(0))


CHANGES = {BYPASS: _bypass, ZERO: _zero, HALVE: _halve, CEIL: _ceil, SHIFT: _shift}
