"""The images that ranges are taken from, each made when it is asked for, and those held out."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from export.cluster import Cluster
from export.observe.probes import probes
from export.processors import ahead

COUNT = 128
METHODS = ("minmax", "entropy", "percentile")
SYNTHETIC = "synthetic"
FEWEST = 8  # images, with those held out
SHARE, MOST = 5, 32  # a fifth of the images is held out, at most so many
APART = 1e-6  # spread of pixels below which an image is constant, or images are alike


@dataclass(frozen=True)
class Made(Sequence):
    """Images of (height, width, channels) float32, made by `make` of an entry when asked for.

    Who goes through them has the next ones made meanwhile, in threads.
    """

    entries: tuple
    make: Callable

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, at: int | slice):
        if isinstance(at, slice):
            return Made(self.entries[at], self.make)
        return self.make(self.entries[at])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image.result() for image in ahead(self.make, self.entries))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the ranges of activations are taken from: images, or ranges that were taken before."""

    source: str  # what was given, for the report
    images: Sequence = ()  # of (height, width, channels) float32, in the range the model takes
    held_out: Sequence = ()  # the same, on which agreement is measured
    method: str = "minmax"
    unread: tuple[str, ...] = ()  # files that did not decode
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # taken before
    learned: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # of layers, by QAT
    count: int = COUNT  # of synthetic images, which are made once the network is known
    cluster: Cluster | None = None  # whose actors run the network on the images; None: here

    def __post_init__(self):
        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise ValueError(f"no calibration method is called {self.method!r}; known are {known}")

    def __len__(self) -> int:
        return len(self.images) or len(self.ranges) or (self.count if self.synthetic else 0)

    @property
    def synthetic(self) -> bool:
        """Whether no real picture is behind the ranges."""
        return self.source == SYNTHETIC


def split(images: Sequence, count: int) -> tuple[Sequence, Sequence]:
    """The first of `images` for ranges, at most `count`, and a fifth of all, at most MOST, apart.

    Raises ValueError where they are too few to say anything.
    """
    if len(images) < FEWEST:
        raise ValueError(
            f"{len(images)} images are too few to calibrate with; give at least {FEWEST}, better "
            f"{COUNT}"
        )
    apart = min(MOST, max(1, len(images) // SHARE))
    used = min(count, len(images) - apart)
    return images[:used], images[used : used + apart]


def of_array(images: np.ndarray, source: str, *, count: int = COUNT, method: str = "minmax"):
    """A Calibration of normalised `images` (n, height, width, channels) float32."""
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.float32:
        raise ValueError(
            "images to calibrate with are float32 (n, height, width, channels). Received: "
            f"{images.dtype} {images.shape} in {source}"
        )
    used, held_out = split(images, count)
    return Calibration(source=source, images=used, held_out=held_out, method=method)


def settled(calibration: Calibration, skeleton, seed: int) -> Calibration:
    """The same, its synthetic images made in the range that the traced network takes."""
    if not calibration.synthetic or calibration.images:
        return calibration

    def make(number: int) -> np.ndarray:
        return skeleton.takes.images(probes(skeleton.image, seed + 1 + number, 1))[0]

    apart = min(MOST, max(1, calibration.count // SHARE))
    numbers = tuple(range(calibration.count + apart))
    return replace(
        calibration,
        images=Made(numbers[: calibration.count], make),
        held_out=Made(numbers[calibration.count :], make),
    )


def check(calibration: Calibration, image: tuple[int, int, int]) -> str:
    """Return the sha256 of all its images; raise ValueError where they cannot say a range.

    They are gone through once, one at a time.
    """
    sha, low, high, varied = hashlib.sha256(), None, None, False
    for part in (calibration.images, calibration.held_out):
        for number, values in enumerate(part):
            _check_one(values, image, number, calibration.source)
            sha.update(np.ascontiguousarray(values, "<f4"))
            varied = varied or float(values.std()) > APART
            low = values if low is None else np.minimum(low, values)
            high = values if high is None else np.maximum(high, values)
    if low is not None and not varied:
        raise ValueError(f"each image in {calibration.source} is of one colour; give real pictures")
    if low is not None and float((high - low).max()) < APART:
        raise ValueError(f"the images in {calibration.source} are all alike; give different ones")
    return sha.hexdigest()


def _check_one(values, image, number: int, source: str) -> None:
    if values.shape != tuple(image):
        raise ValueError(
            f"image {number} in {source} is of {values.shape}, and the model takes {tuple(image)}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"image {number} in {source} has values that are not finite")
