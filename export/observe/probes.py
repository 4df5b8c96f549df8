"""Images to compare networks on: seeded, and with structure.

White noise alone looks the same to a network after global pooling. Each probe mixes noise at
several scales with a colour gradient, at its own contrast and brightness, so that logits differ
between images and spatial mistakes show.
"""

import numpy as np

from export.skeleton.input_range import InputRange

ANY = InputRange()
COUNT = 8
BATCHES = (1, 3, 4)  # how the probes are cut, so that small and odd batches are run
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
    image: tuple[int, int, int], seed: int, given: np.ndarray | None, taken: InputRange = ANY
) -> np.ndarray:
    """Return the probes and, after them, images that the caller gives to compare on as well.

    Probes are of the range that is `taken`; what is given is in it already. Raises ValueError
    where those are no finite float32 (n, *image).
    """
    own = taken.images(probes(image, seed))
    if given is None:
        return own
    given = np.asarray(given)
    fits = given.dtype == np.float32 and given.ndim == 4 and given.shape[1:] == tuple(image)
    if not fits or not len(given) or not np.isfinite(given).all():
        height, width, channels = image
        raise ValueError(
            f"images to compare on are finite float32 (n, {height}, {width}, {channels}). "
            f"Received: {given.dtype} {given.shape}"
        )
    return np.concatenate([own, given])


def _blocks(random, image, side):
    height, width, channels = image
    noise = random.standard_normal((-(-height // side), -(-width // side), channels))
    return np.repeat(np.repeat(noise, side, axis=0), side, axis=1)[:height, :width]


def in_batches(images: np.ndarray, predict) -> np.ndarray:
    """Return `predict` of all `images`, run in batches of the sizes in BATCHES, repeated."""
    parts, start, turn = [], 0, 0
    while start < len(images):
        size = BATCHES[turn % len(BATCHES)]
        parts.append(predict(images[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate(parts)
