"""A few of the user's pictures, with what the model and the artifact take each for."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST = 4  # pictures shown
LIKELIEST = 3  # classes shown of each
SIDE = 112  # pixels of a thumbnail, at most


@dataclass(frozen=True)
class Shown:
    """Which of the images that are compared are the user's pictures: the last, of these names."""

    names: tuple[str, ...]
    labels: tuple[str, ...] = ()  # of the classes; a class without one is called "class 7"


def side_by_side(
    images: np.ndarray, wanted: np.ndarray, found: np.ndarray, shown: Shown
) -> list[dict]:
    """What the pages show of the last of `images`, float32 (n, height, width, channels).

    `wanted` and `found` are the logits (n, classes) of the model and of the artifact. At most four
    are shown, those first whose likeliest class differs. Entries hold `name`; `png`, what the
    network sees in base64, each channel stretched to 0..255, empty unless there are 1 or 3
    channels; and of `model` and `artifact` the likeliest classes with their softmax probabilities.
    """
    own = slice(len(images) - len(shown.names), None)
    images, wanted, found = images[own], wanted[own], found[own]
    differs = wanted.argmax(axis=1) != found.argmax(axis=1)
    order = np.argsort(~differs, kind="stable")[:MOST]
    return [
        {
            "name": shown.names[index],
            "png": _thumbnail(images[index]),
            "model": _guesses(wanted[index], shown.labels),
            "artifact": _guesses(found[index], shown.labels),
        }
        for index in order.tolist()
    ]


def _guesses(logits: np.ndarray, labels: Sequence[str]) -> list[dict]:
    shifted = np.exp(np.float64(logits) - np.float64(logits).max())
    likely = shifted / shifted.sum()
    best = np.argsort(-likely, kind="stable")[:LIKELIEST].tolist()
    return [
        {
            "label": labels[index] if index < len(labels) else f"class {index}",
            "probability": float(f"{likely[index]:.4g}"),
        }
        for index in best
    ]


def _thumbnail(image: np.ndarray) -> str:
    """`image` as a small PNG in base64."""
    from PIL import Image

    if image.ndim != 3 or image.shape[-1] not in (1, 3) or not np.isfinite(image).all():
        return ""
    low = image.min(axis=(0, 1), keepdims=True)
    high = image.max(axis=(0, 1), keepdims=True)
    pixels = ((image - low) * (255 / np.maximum(high - low, 1e-12))).astype(np.uint8)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
