"""Bugs that rounding to 8 bits really has, put into a copy of an artifact, for the self-test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from export.formats.litert.flatbuffer import operation, packed, unpacked
from export.formats.litert.network import LiteRtNetwork
from export.formats.litert.quantizing import CHANNELS
from export.formats.litert.reading import MODEL, Flat, read_flat
from export.formats.litert.steps import INT32, alike_in, is_rounded

OFF, CLIPPED, MOVED = 1.01, 0.9, 9  # of a scale, of a range, of a zero point


def _activations(model) -> list:
    """The rounded activation in the middle that a layer gives, and what has its steps."""
    main = model.subgraphs[0]
    rounded = _given(model)
    middle = rounded[len(rounded) // 2]
    own = _steps(main.tensors[middle])
    alike = (main.tensors[number] for number in alike_in(model)(middle))
    return [tensor for tensor in alike if is_rounded(tensor) and _steps(tensor) == own]


def _given(model) -> list[int]:
    """The numbers of rounded tensors that layers with kernels give; without these, others."""
    main = model.subgraphs[0]
    rounded = {
        int(operator.outputs[0]): operation(model, operator) in CHANNELS
        for operator in main.operators
        if is_rounded(main.tensors[operator.outputs[0]])
    }
    return [number for number, layer in rounded.items() if layer] or list(rounded)


def _steps(tensor) -> tuple[float, int]:
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])


def _kernels(model) -> list:
    main = model.subgraphs[0]
    found = [
        main.tensors[operator.inputs[1]]
        for operator in main.operators
        if operation(model, operator) in CHANNELS
    ]
    return [tensor for tensor in found if is_rounded(tensor)]


def _kernel(model):
    """The rounded kernel in the middle."""
    rounded = _kernels(model)
    return rounded[len(rounded) // 2]


def _scaled(model, factor: float) -> None:
    """Stretch the steps of an activation, and with them those of the biases that follow it."""
    main, tensors = model.subgraphs[0], _activations(model)
    for tensor in tensors:
        tensor.quantization.scale = [float(np.float32(tensor.quantization.scale[0]) * factor)]
    for operator in main.operators:
        given = main.tensors[operator.inputs[0]]
        if len(operator.inputs) > 2 and any(given is tensor for tensor in tensors):
            bias = main.tensors[operator.inputs[2]]
            if bias.type == INT32 and is_rounded(bias):
                scale = np.float32(bias.quantization.scale) * np.float32(factor)
                bias.quantization.scale = scale.tolist()


def _wrong_scale(flat: Flat, model) -> dict:
    _scaled(model, OFF)
    return {}


def _clipped(flat: Flat, model) -> dict:
    _scaled(model, CLIPPED)
    return {}


def _moved_zero(flat: Flat, model) -> dict:
    for tensor in _activations(model):
        zero = int(tensor.quantization.zeroPoint[0])
        tensor.quantization.zeroPoint = [zero + (MOVED if zero < 0 else -MOVED)]
    return {}


def _one_scale(flat: Flat, model) -> dict:
    tensor = _kernel(model)
    values, scale = flat.values(tensor), np.float32(tensor.quantization.scale)
    one = scale.max()
    tensor.quantization.scale = np.full_like(scale, one).tolist()
    return {tensor.buffer: np.rint(values / one).astype(np.int8)}


def _rounded_down(flat: Flat, model) -> dict:
    """Each whole number that a kernel has becomes the one below, as if it had been cut."""
    tensor = _kernel(model)
    values = flat.kept(tensor)
    return {tensor.buffer: np.maximum(values, -126) - np.int8(1)}


OF_ACTIVATIONS: dict[str, Callable[[Flat, object], dict]] = {
    "a scale off by 1 %": _wrong_scale,
    "a range clipped by a tenth": _clipped,
    "a zero point moved": _moved_zero,
}
OF_KERNELS: dict[str, Callable[[Flat, object], dict]] = {
    "one scale for all channels": _one_scale,
    "a kernel rounded down": _rounded_down,
}


def misrounded(folder: Path, to: Path) -> Iterator[str]:
    """Write the model in `folder` to `to` with one bug after another; yield the bugs' names."""
    flat = read_flat(folder)
    network = LiteRtNetwork(flat)
    # Where layers were kept in 32 bits, there may be no place for a bug.
    bugs = OF_ACTIVATIONS if _given(flat.model) else {}
    bugs = bugs | (OF_KERNELS if _kernels(flat.model) else {})
    for name, change in bugs.items():
        model = unpacked(packed(flat.model))
        network.write(model, change(flat, model), to / MODEL)
        yield name
