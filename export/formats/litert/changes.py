"""Changes to a model of LiteRT's, such as bugs make them."""

import numpy as np

from export.formats.litert.flatbuffer import number_of, operation, schema
from export.networks.base import BYPASS, CEIL, HALVE, SHIFT, ZERO, is_ragged

SAME, VALID = 0, 1  # LiteRT's Padding


def constant(model, values: np.ndarray | None) -> int:
    """Add a buffer of `values`, or an empty one; return its number."""
    buffer = schema().BufferT()
    if values is not None:
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def is_padded(model, operator) -> bool:
    """Whether an operator pads where it could do so one pixel off."""
    kind, options = operation(model, operator), operator.builtinOptions
    if kind == "PAD":
        return True
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or options.padding != SAME:
        return False
    kernel = model.subgraphs[0].tensors[operator.inputs[1]]
    return max(kernel.shape[1:3]) > 1 and options.strideW == options.strideH == 1


def is_ragged_pool(model, operator) -> bool:
    """Whether a pool gives another size if it rounds up."""
    options, tensor = operator.builtinOptions, model.subgraphs[0].tensors[operator.inputs[0]]
    declared = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    sizes = [None if size < 0 else int(size) for size in declared[1:3]]  # free axes are -1
    windows, strides = (
        (options.filterHeight, options.filterWidth),
        (options.strideH, options.strideW),
    )
    return options.padding == VALID and is_ragged(sizes, windows, strides)


def _tensor(model, like, values: np.ndarray | None = None, shape=None) -> int:
    """Add a tensor, of `values` or computed, of the type and the shape of another."""
    kinds, main = schema(), model.subgraphs[0]
    made = kinds.TensorT()
    made.name, made.hasRank = f"added_{len(main.tensors)}", True
    if values is None:
        made.type, made.buffer = like.type, 0
        made.shape = like.shape if shape is None else shape
        made.shapeSignature = None if like.shapeSignature is None else [-1, *made.shape[1:]]
    else:
        made.type = kinds.TensorType.INT32 if values.dtype == np.int32 else like.type
        made.buffer, made.shape = constant(model, values), list(values.shape)
    main.tensors.append(made)
    return len(main.tensors) - 1


def _insert(model, before, name: str, options: str, inputs: list[int], output: int):
    """Put an operation of that name in front of another operator."""
    kinds, made = schema(), schema().OperatorT()
    made.opcodeIndex = number_of(model, name)
    made.inputs, made.outputs = [int(one) for one in inputs], [int(output)]
    made.builtinOptionsType = getattr(kinds.BuiltinOptions, options)
    made.builtinOptions = getattr(kinds, f"{options}T")()
    operators = model.subgraphs[0].operators
    at = next(at for at, one in enumerate(operators) if one is before)
    operators.insert(at, made)


def _read_instead(operators, number: int, other: int) -> None:
    for operator in operators:
        operator.inputs = [other if one == number else int(one) for one in operator.inputs]


def _bypass(model, operator, fused: bool) -> None:
    if fused:
        operator.builtinOptions.fusedActivationFunction = 0
        return
    after = [one for one in model.subgraphs[0].operators if one is not operator]
    _read_instead(after, operator.outputs[0], int(operator.inputs[0]))


def _zero(model, operator, _fused: bool) -> None:
    source = int(operator.inputs[-1])
    zero = _tensor(model, model.subgraphs[0].tensors[source])
    _insert(model, operator, "SUB", "SubOptions", [source, source], zero)
    operator.inputs = [*map(int, operator.inputs[:-1]), zero]


def _halve(model, operator, _fused: bool) -> None:
    main, output = model.subgraphs[0], int(operator.outputs[0])
    like = main.tensors[output]
    mask = np.ones(like.shape[-1], np.float32)
    mask[len(mask) // 2 :] = 0
    whole, mask = _tensor(model, like), _tensor(model, like, mask)
    operator.outputs = [whole]
    behind = main.operators[next(i for i, one in enumerate(main.operators) if one is operator) + 1]
    _insert(model, behind, "MUL", "MulOptions", [whole, mask], output)


def _pad(model, operator, pads: np.ndarray, value: float | None = None) -> None:
    """Have an operator read its first input padded, by `value` where that is not 0."""
    source = int(operator.inputs[0])
    like = model.subgraphs[0].tensors[source]
    shape = [int(size) + int(sum(both)) for size, both in zip(like.shape, pads, strict=True)]
    padded = _tensor(model, like, shape=shape)
    inputs = [source, _tensor(model, like, pads.astype(np.int32))]
    if value is None:
        _insert(model, operator, "PAD", "PadOptions", inputs, padded)
    else:
        least = _tensor(model, like, np.array([value], np.float32))
        _insert(model, operator, "PADV2", "PadV2Options", [*inputs, least], padded)
    operator.inputs = [padded, *map(int, operator.inputs[1:])]


def _ceil(model, operator, _fused: bool) -> None:
    """Pad below and to the right by what a window that hangs over the edge may lack.

    What is left of it when all windows are placed is read by none.
    """
    options = operator.builtinOptions
    if options.padding != VALID:
        return
    pads = np.zeros((4, 2), int)
    pads[1:3, 1] = options.strideH - 1, options.strideW - 1
    _pad(model, operator, pads, float(np.finfo(np.float32).min))


def _shift(model, operator, _fused: bool) -> None:
    main = model.subgraphs[0]
    if operation(model, operator) == "PAD":
        held = model.buffers[main.tensors[operator.inputs[1]].buffer].data
        pads = np.frombuffer(bytes(bytearray(held)), np.int32).reshape(-1, 2).copy()
        pads[pads[:, 0] > 0] += [-1, 1]
        like = main.tensors[operator.inputs[0]]
        operator.inputs = [int(operator.inputs[0]), _tensor(model, like, pads)]
        return
    options, kernel = operator.builtinOptions, main.tensors[operator.inputs[1]]
    pads = np.zeros((4, 2), int)
    spread = (options.dilationHFactor, options.dilationWFactor)
    for axis, step in zip((1, 2), spread, strict=True):
        both = (int(kernel.shape[axis]) - 1) * step
        front = max(both // 2 - 1, 0)
        pads[axis] = front, both - front
    options.padding = VALID
    _pad(model, operator, pads)


CHANGES = {BYPASS: _bypass, ZERO: _zero, HALVE: _halve, CEIL: _ceil, SHIFT: _shift}
