"""Pairs of QuantizeLinear and DequantizeLinear, and what becomes of those on weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from export.errors import ArtifactError
from export.formats.onnx.weightless import bypass
from export.skeleton.stores import STEPS

Q, DQ, PRODUCT = "QuantizeLinear", "DequantizeLinear", "Mul"
INT32 = 6  # TensorProto.INT32
# These give numbers that they are given, or means of them.
MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "MaxPool", "AveragePool",
         "Slice", "Resize", "Split", "Pad", "Gather", "GatherElements")  # fmt: skip
BIASED = ("Conv", "Gemm")
JOINED = ("Relu", "Clip")  # runtimes apply these within the layer before
LARGEST = STEPS["<i4"]


def kernel_axis(node, at: int) -> int | None:
    """The axis of channels of what `node` takes as input `at`; None where that is no kernel."""
    if at != 1:
        return None
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        return 0 if turned else 1
    return 1 if node.op_type == "MatMul" else None


def pairs_on(graph, tensor: str) -> list[tuple]:
    """(quantize, dequantize, reader, its input's number) of each pair on a tensor."""
    found = []
    for quantize in [n for n in graph.node if n.op_type == Q and n.input[0] == tensor]:
        for dequantize in [n for n in graph.node if n.input and n.input[0] == quantize.output[0]]:
            readers = [
                (quantize, dequantize, node, at)
                for node in graph.node
                for at, name in enumerate(node.input)
                if name == dequantize.output[0]
            ]
            found += readers
    return found


def take_off(graph, tensor: str, pairs: list[tuple]) -> None:
    """Have whoever reads a tensor through a pair read it as it is."""
    for _, dequantize in {(id(q), id(d)): (q, d) for q, d, _, _ in pairs}.values():
        bypass(graph, dequantize, tensor)


def integer_kernel(graph, name: str, pairs: list[tuple], scale: np.ndarray, axis: int) -> None:
    """Have the pairs on a kernel read it as integers, with a scale for each channel."""
    from onnx import helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
    graph.initializer.append(numpy_helper.from_array(np.zeros(scale.shape, "i1"), f"{name}/zero"))
    for dequantize in {id(d): d for _, d, _, _ in pairs}.values():
        dequantize.input[:] = [name, f"{name}/scale", f"{name}/zero"]
        del dequantize.attribute[:]
        dequantize.attribute.append(helper.make_attribute("axis", axis))


def integer_bias(
    graph, name: str, scales: Mapping[str, np.ndarray], read: Callable[[str], np.ndarray]
) -> np.ndarray | None:
    """Have the layer whose bias is called `name` read it as integers; its scale, or None.

    It stays as it is where it is no bias, where several layers read it, or where a channel's
    would not fit: then the layer is computed in 32 bits with rounded inputs.
    """
    from onnx import helper, numpy_helper

    readers = [(n, at) for n in graph.node for at, read_ in enumerate(n.input) if read_ == name]
    if len(readers) != 1 or readers[0][1] != 2 or readers[0][0].op_type not in BIASED:
        return None
    ((layer, _),) = readers
    made = {output: node for node in graph.node for output in node.output}
    before, kernel = made.get(layer.input[0]), made.get(layer.input[1])
    if before is None or kernel is None or before.op_type != DQ or kernel.input[0] not in scales:
        return None
    held = {tensor.name: tensor for tensor in graph.initializer}
    step = numpy_helper.to_array(held[before.input[1]]).astype(np.float32)
    scale = (scales[kernel.input[0]] * step).astype(np.float32)
    if not (np.abs(read(name)) / scale < LARGEST).all():
        return None
    # Runtimes multiply once, as they load; stored, it would take as much as the bias.
    factors, product = [kernel.input[1], before.input[1]], f"{name}/scale"
    graph.node.append(helper.make_node(PRODUCT, factors, [product], name=product))
    inputs, outputs = [name, product], [f"{name}/float"]
    graph.node.append(helper.make_node(DQ, inputs, outputs, name=f"{name}/float", axis=0))
    layer.input[2] = outputs[0]
    return scale


def bypass_before_activations(graph) -> None:
    """Take pairs out between a layer and the activation behind it, which runtimes join."""
    made = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in [n for n in graph.node if n.op_type in JOINED]:
        dequantize = made.get(node.input[0])
        quantize = made.get(dequantize.input[0]) if dequantize is not None else None
        if dequantize is None or dequantize.op_type != DQ or quantize is None:
            continue
        layer = made.get(quantize.input[0])
        alone = len(readers[dequantize.output[0]]) == 1 == len(readers[quantize.input[0]])
        if layer is not None and alone and layer.op_type in ("Conv", "Gemm", "MatMul", "Add"):
            node.input[0] = quantize.input[0]


@dataclass(frozen=True)
class Scaled:
    """An integer weight as a DequantizeLinear reads it."""

    output: str  # what that gives
    scale: np.ndarray  # () or of the channels
    zero: np.ndarray
    axis: int

    @property
    def steps(self) -> tuple[float, ...]:
        return tuple(self.scale.reshape(-1).tolist())

    def floats(self, values: np.ndarray) -> np.ndarray:
        """The float32 values that integers stand for."""
        sides = [1] * values.ndim
        if self.scale.ndim:
            sides[self.axis] = -1
        scale, zero = self.scale.reshape(sides), self.zero.astype(np.float32)
        return (values - (zero.reshape(sides) if zero.ndim else zero)) * scale


def products_of_steps(graph) -> dict[str, object]:
    """The nodes that multiply a scale by one number to one that a pair reads, by what they give."""
    sides = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in (Q, DQ)]
    read = {name for node in pairs for name in node.input[1:2]}
    return {
        node.output[0]: node
        for node in graph.node
        if node.op_type == PRODUCT and read.intersection(node.output) and len(node.input) == 2
        if sides.keys() >= set(node.input) and min(sides[name] for name in node.input) == 0
    }


def step_names(graph) -> set[str]:
    """The names of scales and zero points."""
    pairs = {name for node in graph.node if node.op_type in (Q, DQ) for name in node.input[1:]}
    return pairs.union(*(node.input for node in products_of_steps(graph).values()))


def integer_weights(graph) -> dict[str, Scaled]:
    """The initializers that a DequantizeLinear reads, by name."""
    held, found = _held(graph), {}
    for node in graph.node:
        if node.op_type == DQ and node.input[0] in held:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            scale, zero = _scale_and_zero(node, held)
            found[node.input[0]] = Scaled(node.output[0], scale, zero, axis)
    return found


def bias_steps(graph, bias: Scaled, scaled: Mapping[str, Scaled]) -> tuple[float, ...]:
    """The steps of an integer bias, if they are those of its layer's input times its kernel's.

    Else there are none, and it is taken for a bias that should not have been rounded.
    """
    held = _held(graph)
    made = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if len(node.input) < 3 or node.input[2] != bias.output or node.op_type not in BIASED:
            continue
        before, kernel = made.get(node.input[0]), made.get(node.input[1])
        if before is None or kernel is None or before.op_type != DQ:
            return ()
        own = scaled.get(kernel.input[0])
        if own is None or held.keys().isdisjoint(before.input[1:2]):
            return ()
        right = (own.scale * _scale_and_zero(before, held)[0]).astype(np.float32)
        return bias.steps if np.array_equal(right, bias.scale) else ()
    return ()


def _held(graph) -> dict[str, np.ndarray | object]:
    """Tensors that `graph` holds, by name, and scales that are the product of two of them."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    for name, node in products_of_steps(graph).items():
        first, second = (_values(held[factor]) for factor in node.input)
        held[name] = (first * second).astype(np.float32)
    return held


def _values(tensor) -> np.ndarray:
    from onnx import numpy_helper

    return tensor if isinstance(tensor, np.ndarray) else numpy_helper.to_array(tensor)


def _scale_and_zero(node, held: Mapping[str, object]) -> tuple[np.ndarray, np.ndarray]:
    if lost := [name for name in node.input[1:] or ("a scale",) if name not in held]:
        raise ArtifactError(f"the model is damaged, it lacks {lost[0]!r}; export it again")
    scale = _values(held[node.input[1]]).astype(np.float32)
    zero = _values(held[node.input[2]]) if len(node.input) > 2 else np.uint8(0)
    return scale, np.asarray(zero)


def activation_pairs(graph) -> list[dict]:
    """What every QuantizeLinear does, as JSON: its `tensor`, `scale`, `zero` and `type`.

    `like` are the tensors whose range it may be for: its own, those that only moved numbers made it
    of, and those that an activation behind it, within the same layer to a runtime, gives.
    """
    held = _held(graph)
    made = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = []
    for node in graph.node:
        if node.op_type == Q:
            scale, zero = _scale_and_zero(node, held)
            like = [*_behind(node.input[0], made), *_before(node.output[0], readers)]
            found.append(
                {
                    "tensor": plain_name(node.input[0]),
                    "scale": float(scale),
                    "zero": int(zero),
                    "type": zero.dtype.name,
                    "like": sorted({plain_name(name) for name in like}),
                }
            )
    return found


def plain_name(tensor: str) -> str:
    """The name that a tensor had before the quantizer came."""
    return tensor.removesuffix("_QuantizeLinear_Input")


def _behind(tensor: str, made: Mapping[str, object]) -> list[str]:
    """The tensor, and those that it is the numbers of."""
    found = [tensor]
    while (node := made.get(found[-1])) is not None and node.op_type in (*MOVES, Q, DQ):
        found.append(node.input[0])
    return found


def _before(tensor: str, readers: Mapping[str, list]) -> list[str]:
    """What activations make of a tensor, behind its DequantizeLinear."""
    outputs = [name for node in readers.get(tensor, ()) for name in node.output]
    return [
        name
        for output in outputs
        for node in readers.get(output, ())
        if node.op_type in JOINED
        for name in node.output
    ]
