"""Inputs to compare networks on: seeded, and pictures with structure.

White noise alone looks the same to a network after global pooling. Each probe mixes noise at
several scales with a colour gradient, at its own contrast and brightness, so that logits differ
between images and spatial mistakes show. Other numbers are noise of the kind that an input takes.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from export.contract import (
    Batch,
    Contract,
    Predict,
    Tensor,
    free_lengths,
    joined,
    part,
    rows,
    sizes_of,
)
from export.skeleton.input_range import InputRange

COUNT = 8
OTHERS = 4  # probes of other lengths
BATCHES = (1, 3, 4)  # how the probes are cut, so that small and odd batches are run
PIXELS = InputRange(pixels=True, whole=True)
SCALES = (1, 7, 32)  # pixels a side of the blocks of noise


def probes(image: tuple[int, int, int], seed: int = 0, count: int = COUNT) -> np.ndarray:
    """Return normalised images (count, height, width, channels) float32."""
    height, width, channels = image
    random = np.random.RandomState(seed)
    ramp = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[None, :, None]
    images = np.empty((count, *image), np.float32)
    for index in range(count):
        value = sum(_blocks(random, image, side) for side in SCALES) / np.sqrt(len(SCALES))
        tilt = random.normal(0, 0.5, (2, channels))
        value += ramp[0] * tilt[0] + ramp[1] * tilt[1]
        contrast, brightness = random.uniform(0.5, 1.5), random.normal(0, 0.5, channels)
        images[index] = contrast * value + brightness
    return images


def inputs(
    skeleton, seed: int, given: np.ndarray | Batch | None = None, *, seeded: bool = True
) -> Batch:
    """Return the probes and, after them, inputs that the caller gives to compare on as well.

    Those are named arrays; or one array, where the network has one input. Probes are of the range
    that the network takes; what is given is in it already, and probes are as long along free axes.
    If they are not to be `seeded` there are none. Raises ValueError where what is given does not
    fit the contract.
    """
    if given is None:
        if not seeded:
            raise ValueError("without probes there is nothing to compare on; give inputs or images")
        return _probes(skeleton, seed, {})
    own = _fitting(given, skeleton.contract)
    if not seeded:
        return own
    return joined([_probes(skeleton, seed, free_lengths(own, skeleton.contract)), own])


def _probes(skeleton, seed: int, free: Mapping[str, int]) -> Batch:
    return {
        tensor.name: _values(tensor, skeleton, seed if at == 0 else seed + 1000 * at, free)
        for at, tensor in enumerate(skeleton.contract.inputs)
    }


def other_lengths(skeleton, seed: int, batch: Batch) -> Iterator[Batch]:
    """Yield probes that are of another length along each free axis than `batch`, a try at a time.

    A network may not take every length: the first are odd, then come whole halves.
    """
    contract = skeleton.contract
    lengths = free_lengths(batch, contract)
    for change in (lambda n, at: 3 * n // 4 - 1 - 2 * at, lambda n, _: n // 2, lambda n, _: 2 * n):
        others = {name: max(1, change(n, at)) for at, (name, n) in enumerate(lengths.items())}
        if lengths and all(others[name] != n for name, n in lengths.items()):
            yield part(_probes(skeleton, seed, others), slice(OTHERS))


def _values(tensor: Tensor, skeleton, seed: int, free: Mapping[str, int]) -> np.ndarray:
    """Values (COUNT, ...) such as an input may take."""
    sizes = sizes_of(tensor, free)
    random = np.random.RandomState(seed)
    shape = (COUNT, *sizes)
    if tensor.dtype == "bool":
        return random.uniform(size=shape) < 0.5
    if tensor.name in skeleton.pools:
        pool = np.array(skeleton.pools[tensor.name])
        return pool[random.randint(0, len(pool), shape)]
    if tensor.dtype == "string":
        return _texts(random, shape)
    if len(sizes) == 3 and (tensor.floats or tensor.dtype == "uint8"):
        taken = PIXELS if tensor.dtype == "uint8" else skeleton.takes
        return taken.images(probes(sizes, seed)).astype(tensor.dtype)
    if tensor.floats:
        return random.standard_normal(shape).astype(tensor.dtype)
    below = skeleton.ids.get(tensor.name, 256 if tensor.dtype == "uint8" else 2)
    return random.randint(0, below, shape).astype(tensor.dtype)


def _texts(random, shape) -> np.ndarray:
    words = ("", "one", "two words", "a longer text of seven words", "5")
    return np.array(words)[random.randint(0, len(words), shape)]


def _fitting(given: np.ndarray | Batch, contract: Contract) -> Batch:
    """The caller's inputs by name; ValueError where they do not fit."""
    names = [tensor.name for tensor in contract.inputs]
    batch = given if isinstance(given, Mapping) else {names[0]: np.asarray(given)}
    if set(batch) != set(names):
        raise ValueError(
            f"inputs to compare on are the network's: {', '.join(names)}. "
            f"Received: {', '.join(batch) if isinstance(given, Mapping) else 'one array'}"
        )
    found = {name: np.asarray(batch[name]) for name in names}
    for tensor in contract.inputs:
        _check(tensor, found[tensor.name], contract)
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"inputs to compare on are as many of each. Received: {lengths}")
    _check_lengths(found, contract)
    return found


def _check_lengths(batch: Batch, contract: Contract) -> None:
    """Raise ValueError where inputs that share a free axis are of different lengths along it."""
    lengths = free_lengths(batch, contract)
    for tensor in contract.inputs:
        if batch[tensor.name].shape[1:] != sizes_of(tensor, lengths):
            raise ValueError(
                f"inputs to compare on are of one length along each of {', '.join(lengths)}. "
                f"Received: { {name: values.shape for name, values in batch.items()} }"
            )


def _check(tensor: Tensor, values: np.ndarray, contract: Contract) -> None:
    sizes = (None, *tensor.sizes)
    shaped = values.ndim == len(sizes) and all(
        size in (None, found) for size, found in zip(sizes, values.shape, strict=True)
    )
    finite = values.dtype.kind != "f" or np.isfinite(values).all()
    typed = values.dtype == tensor.dtype if tensor.dtype != "string" else values.dtype.kind in "OSU"
    if not values.size or not shaped or not typed or not finite:
        what = "images" if contract.classifier else f"values of {tensor.name}"
        raise ValueError(
            f"{what} to compare on are finite {tensor.dtype} "
            f"({', '.join(map(str, ('n', *tensor.shape[1:])))}). Received: {values.dtype} "
            f"{values.shape}{'' if finite else ', some infinite or NaN'}"
        )


def _blocks(random, image, side):
    height, width, channels = image
    noise = random.standard_normal((-(-height // side), -(-width // side), channels))
    return np.repeat(np.repeat(noise, side, axis=0), side, axis=1)[:height, :width]


def in_batches(batch: Batch, predict: Predict) -> Batch:
    """Return `predict` of all of `batch`, run in batches of the sizes in BATCHES, repeated.

    A batch of each size is run even of few samples, which are repeated for it.
    """
    parts, start, turn = [], 0, 0
    while start < rows(batch):
        size = BATCHES[turn % len(BATCHES)]
        parts.append(predict(part(batch, slice(start, start + size))))
        start, turn = start + size, turn + 1
    for size in BATCHES[turn - (start > rows(batch)) :]:
        predict(part(batch, np.arange(size) % rows(batch)))
    return joined(parts)
