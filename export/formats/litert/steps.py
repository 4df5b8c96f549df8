"""The steps that activations are rounded to in a model of LiteRT's, and how ranges give them."""

import numpy as np

from export.formats.litert.flatbuffer import operation, text

INT8, INT32 = 9, 2  # TensorType's numbers
QUANTIZE, DEQUANTIZE = "QUANTIZE", "DEQUANTIZE"
LEAST, MOST = -128, 127
ROUNDED = "/rounded"  # behind the name of an output: what is turned into floats for it
NARROWEST = 1e-4  # the quantizer's shortest range
# What these give has the steps of what they are given, or the other way round.
ALIKE = (
    QUANTIZE, "CONCATENATION", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "PAD", "PADV2", "MEAN",
    "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SQUEEZE", "EXPAND_DIMS", "MAXIMUM", "MINIMUM",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "MIRROR_PAD", "PACK", "UNPACK", "GATHER",
)  # fmt: skip


def steps_of(span: tuple[float, float]) -> tuple[float, int]:
    """Scale and zero point of a range, by the arithmetic of LiteRT's quantizer."""
    low, high = (np.float32(end) for end in span)
    low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    scale = np.maximum(high - low, np.float32(NARROWEST)) / np.float32(MOST - LEAST)
    return float(scale), int(np.rint(LEAST - low / scale))


def is_rounded(tensor) -> bool:
    """Whether a tensor is kept in whole numbers of steps."""
    own = tensor.quantization
    stepped = own is not None and own.scale is not None and len(own.scale) > 0
    return stepped and tensor.type in (INT8, INT32)


def activation_steps(model) -> list[dict]:
    """What every rounded activation is rounded to, as JSON: `tensor`, `scale`, `zero` and `type`.

    `like` are the tensors whose range it may be of: its own, and those that only moved numbers.
    """
    main = model.subgraphs[0]
    alike = alike_in(model)
    made = {int(number) for operator in main.operators for number in operator.outputs}
    found = []
    for number in sorted(made):
        tensor = main.tensors[number]
        if not is_rounded(tensor):
            continue
        like = {text(main.tensors[other].name) for other in alike(number)}
        source = text(main.tensors[_source(model, main, number)].name)
        found.append(
            {
                "tensor": source.removesuffix(ROUNDED),
                "scale": float(tensor.quantization.scale[0]),
                "zero": int(tensor.quantization.zeroPoint[0]),
                "type": "int8",
                "like": sorted(like),
            }
        )
    return found


def _source(model, main, number: int) -> int:
    """The tensor whose numbers a tensor has in other steps."""
    for operator in main.operators:
        if number in operator.outputs and operation(model, operator) == QUANTIZE:
            return _source(model, main, int(operator.inputs[0]))
    return number


def alike_in(model):
    """A function from a tensor to all that have its steps, over operations that move numbers."""
    main = model.subgraphs[0]
    beside: dict[int, set[int]] = {}
    for operator in main.operators:
        if operation(model, operator) in ALIKE:
            inputs = [int(number) for number in operator.inputs if number >= 0]
            outputs = [int(number) for number in operator.outputs]
            for one in (*inputs, *outputs):
                beside.setdefault(one, set()).update((*inputs, *outputs))

    def reached(number: int) -> set[int]:
        seen, waiting = {number}, [number]
        while waiting:
            fresh = beside.get(waiting.pop(), set()) - seen
            seen |= fresh
            waiting += fresh
        return seen

    return reached


def as_floats(tensor, kept: np.ndarray, start: int = 0) -> np.ndarray:
    """The float32 values of a rounded constant, or of its part that begins at row `start`."""
    own = tensor.quantization
    sides = [1] * kept.ndim
    scale, zero = np.float32(own.scale), np.float32(own.zeroPoint)
    if len(scale) > 1:
        axis = own.quantizedDimension
        sides[axis] = -1
        if axis == 0:
            scale, zero = (ends[start : start + len(kept)] for ends in (scale, zero))
    return (kept.astype(np.float32) - zero.reshape(sides)) * scale.reshape(sides)


def bias_scale(graph, number: int) -> np.ndarray | None:
    """The steps of a bias: those of what its layer is given times those of the layer's kernel.

    None where no layer reads it as its bias, or several do in different steps.
    """
    found = []
    for operator in graph.operators:
        if len(operator.inputs) > 2 and operator.inputs[2] == number:
            given, kernel = (graph.tensors[operator.inputs[at]] for at in (0, 1))
            if not (is_rounded(given) and is_rounded(kernel)):
                return None
            found.append(
                np.float32(kernel.quantization.scale) * np.float32(given.quantization.scale)
            )
    alike = found and all(np.array_equal(one, found[0]) for one in found)
    return found[0] if alike else None


def bias_steps(graph, number: int) -> tuple[float, ...]:
    """The steps that a bias states, if they are the right ones; else there are none."""
    stated, right = graph.tensors[number].quantization.scale, bias_scale(graph, number)
    if right is None or not np.array_equal(np.float32(stated), right):
        return ()
    return tuple(right.tolist())
