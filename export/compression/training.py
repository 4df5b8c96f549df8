"""How a network is trained while it is compressed, and on what."""

from dataclasses import dataclass, field, fields

import numpy as np

OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train. Each way of compressing takes `epochs`.

    Without a `batch_size` it is 32 pictures, or fewer of a large network with batch-norms, which
    cannot take a batch in parts.
    `rate` falls along a cosine. Training ends early after `patience` epochs without a better
    accuracy. `crops` cuts out a part of each picture at random, `flips` mirrors every other one.
    `min_accuracy` is what must be left in the end; by default that of before, less 5 points.
    """

    epochs: int = 2
    batch_size: int | None = None
    rate: float = 1e-4
    optimizer: str = "adam"
    flips: bool = True
    crops: bool = True
    patience: int = 3
    seed: int = 0
    min_accuracy: float | None = None
    resume: bool = False

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizers are {' and '.join(OPTIMIZERS)}, not {self.optimizer!r}")
        counts = (self.epochs, self.patience, 1 if self.batch_size is None else self.batch_size)
        if min(counts) < 1 or not 0 < self.rate < 1:
            raise ValueError(
                "epochs, batch size and patience are whole numbers from 1 up, and a rate lies "
                "between 0 and 1"
            )
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise ValueError(f"an accuracy lies between 0 and 1. Received: {self.min_accuracy}")

    def as_dict(self) -> dict:
        """What decides how the training goes: all but where it begins, and what is made of it."""
        aside = ("resume", "min_accuracy")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in aside}


@dataclass(frozen=True)
class Pictures:
    """Images (n, height, width, channels), uint8 or normalised float32, and the class of each."""

    images: np.ndarray  # may be mapped from a file; or what is like an array and has `write_to`
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What to train on, and what to measure accuracy on.

    Images of bytes are normalised by `mean` and `std` of each channel, in 0..1. They may be larger
    than the network's, which then takes parts of them.
    """

    train: Pictures
    held_out: Pictures
    mean: tuple[float, ...] = field(default=(0.0,))
    std: tuple[float, ...] = field(default=(1.0,))

    def check(self, image: tuple[int, int, int], classes: int) -> None:
        """Raise ValueError unless these are pictures for a network of such an image."""
        for name in ("train", "held_out"):
            pictures = getattr(self, name)
            shape, labels = np.shape(pictures.images), np.asarray(pictures.labels)
            fits = (
                len(shape) == 4
                and 0 < shape[0] == len(labels)
                and shape[1] >= image[0]
                and shape[2] >= image[1]
                and shape[3] == image[2]
            )
            if not fits or pictures.images.dtype not in (np.uint8, np.float32):
                raise ValueError(
                    f"{name} has images {shape} of {pictures.images.dtype} and {len(labels)} "
                    f"labels; the network takes {image}, as uint8 or normalised float32, at least "
                    "one and a label each"
                )
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
                raise ValueError(
                    f"labels of {name} go from {labels.min()} to {labels.max()}, and the network's "
                    f"{classes} classes from 0 to {classes - 1}"
                )
