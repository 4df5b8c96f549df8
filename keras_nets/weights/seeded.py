"""Weights drawn from a seed: every one filled, the same bytes on every machine.

A fresh Keras net has zero biases and logits near zero, so converters merge its equal constants and
any parity check passes. Here kernels are He-uniform with the mean of each filter taken off (after
a ReLU a common mean would drown the image), biases are non-zero, batch-norm statistics non-trivial.

Only a bit generator's raw stream is used, which numpy keeps stable, then integers, then one
rounding a value, so the bytes depend on neither the machine nor the version of numpy.
"""

import math
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_nets.catalog import NETS
from keras_nets.weights.memory import aligned, share

BLOCK = 1 << 16  # values converted at a time: they stay in the processor's cache
STRETCH = 1 << 22  # values that one thread draws in turn; even
HALF = 1 << 23  # raw draws are 24-bit integers around zero, which float32 holds exactly
POSITIVE = ("gamma", "moving_variance", "variance")  # vectors in (0.5, 1.5); else (-0.1, 0.1)
OPEN = 2.0, 4.0  # the bias of a layer that makes a gate: a sigmoid of it is 0.88 to 0.98
# The last batch-norm of a residual block is damped, or the sums would grow with every block.
RESIDUAL_GAIN = 0.4


def seed_weights(model, seed: int = 0):
    """Fill every weight of a Keras `model` from `seed` and return the model.

    What a weight gets depends on the seed, its layer's name, its own shape and what it is for
    alone. The logits of the catalog's networks then have a standard deviation of about 1.
    """
    if seed < 0:
        raise ValueError(f"a seed is zero or more. Received: {seed}")
    gain = NETS[model.name].seed_gain if model.name in NETS else 1.0
    layers = [layer for layer in model.layers if layer.weights]
    kernels = [layer for layer in layers if any(len(w.shape) >= 2 for w in layer.weights)]
    damped, gates = _ends_of_residual_blocks(model), _makers_of_gates(model)
    for layer in layers:
        for variable in layer.weights:
            if not str(variable.dtype).startswith(("float", "bfloat")):
                continue  # the state of a seed generator
            kind, shape = variable.path.rsplit("/", 1)[-1], tuple(variable.shape)
            draws = np.random.PCG64([seed, zlib.crc32(_place(layer, variable).encode())])
            if len(shape) < 2:
                scale = RESIDUAL_GAIN if kind == "gamma" and layer.name in damped else 1.0
                low, high = (0.5, 1.5) if kind in POSITIVE else (-0.1, 0.1)
                if kind == "bias" and layer in gates:
                    low, high = OPEN
                values = _uniform(draws, shape, scale * low, scale * high)
            else:
                kernel = _kernel(
                    draws,
                    shape,
                    outputs=_outputs(layer, variable),
                    gain=gain if layer is kernels[-1] else 1.0,
                    centred=layer is not kernels[0] and not _sees_one_channel(layer),
                )
                values = share(kernel)
            variable.assign(values)
    return model


def _place(layer, variable) -> str:
    """Return a unique name of a weight: "conv1/kernel", or "attention/query/kernel"."""
    before, found, after = variable.path.partition(f"{layer.name}/")
    return f"{layer.name}/{after if found else before}"


def _outputs(layer, variable) -> int:
    """Return the number of filters; a depthwise kernel has `depth_multiplier` a channel."""
    shape = variable.shape
    return shape[-2] * shape[-1] if _is_depthwise(layer, variable) else shape[-1]


def _sees_one_channel(layer) -> bool:
    """Return whether a kernel is of rows and columns alone: centred, it would see edges alone."""
    return type(layer).__name__ == "DepthwiseConv2D"


def _is_depthwise(layer, variable) -> bool:
    multiplier = getattr(layer, "depth_multiplier", None)
    return multiplier == variable.shape[-1] and not variable.path.endswith("pointwise_kernel")


def _ends_of_residual_blocks(model) -> set[str]:
    """Return the names of the batch-norms whose activation goes straight into an addition."""
    names = set()
    for layer in model.layers:
        if type(layer).__name__ != "Add":
            continue
        for node in layer._inbound_nodes:
            # The second branch is the one that was just computed; the first is the shortcut.
            end = node.input_tensors[-1]._keras_history.operation
            if type(end).__name__ in ("Activation", "ReLU", "LeakyReLU"):
                end = end.input._keras_history.operation
            if type(end).__name__ == "BatchNormalization":
                names.add(end.name)
    return names


def _makers_of_gates(model) -> set:
    """Return the layers that make what a whole channel is multiplied by, as in EfficientNet.

    Drawn around zero, such gates halve their channels; after a dozen of them biases are all that
    is left, and every image gives the same logits.
    """
    found = set()
    for layer in model.layers:
        if type(layer).__name__ != "Multiply":
            continue
        for node in layer._inbound_nodes:
            given = [one for one in node.input_tensors if one.shape[1:-1] == (1, 1)]
            wide = [one for one in node.input_tensors if one.shape[1:-1] != (1, 1)]
            found |= {_maker(one) for one in given if wide}
    return found


def _maker(tensor):
    """Return the last layer with weights before `tensor`, or None, along each first input."""
    operation = tensor._keras_history.operation
    while not getattr(operation, "weights", ()):
        (node, *_) = operation._inbound_nodes
        if not node.input_tensors:
            return None
        operation = node.input_tensors[0]._keras_history.operation
    return operation


def _draw(draws, shape) -> np.ndarray:
    """24-bit integers in [-HALF, HALF), int32 of `shape`."""
    size = math.prod(shape)
    values = aligned((size + size % 2,)).view(np.int32)
    state = draws.state

    def fill(part: slice) -> None:
        own = np.random.PCG64()
        own.state = state
        own.advance(part.start // 2)  # each raw draw gives two integers
        for start in range(part.start, part.stop, BLOCK):
            count = min(BLOCK, part.stop - start)
            raw = own.random_raw(count // 2).astype("<u8", copy=False).view("<u4")
            values[start : start + count] = (raw >> 8).astype(np.int32) - HALF

    _each(fill, _slices(len(values), STRETCH))
    return values[:size].reshape(shape)


def _slices(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _each(work: Callable, parts: list[slice]) -> list:
    """Return `work` of each part; threads do it, because numpy lets go of Python meanwhile."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(work, parts))


def _uniform(draws, shape, low: float, high: float) -> np.ndarray:
    """float32 of `shape` in [low, high)."""
    unit = (_draw(draws, shape) + HALF) / (2.0 * HALF)
    return (low + (high - low) * unit).astype(np.float32)


def _kernel(draws, shape, *, outputs: int, gain: float, centred: bool) -> np.ndarray:
    """He-uniform float32 of `shape`, `outputs` innermost: variance 2 * gain ** 2 / fan-in."""
    integers = _draw(draws, shape).reshape(-1, outputs)
    fan_in = len(integers)
    rows = max(1, BLOCK // outputs)
    blocks = _slices(fan_in, rows)
    mean = np.zeros(outputs, np.int32)
    if centred:
        stretches = _slices(fan_in, 16 * rows)
        sums = sum(_each(lambda part: integers[part].sum(axis=0, dtype=np.int64), stretches))
        mean = (sums // fan_in).astype(np.int32)
    # In place, a block at a time: the largest kernel has 411 MB, and one copy of it is enough.
    values = integers.view(np.float32)
    scale = gain * math.sqrt(6.0 / fan_in) / HALF

    def scaled(block: slice) -> None:
        values[block] = (integers[block] - mean) * scale  # computed in float64, rounded once

    _each(scaled, blocks)
    return values.reshape(shape)
