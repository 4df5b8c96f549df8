"""Pictures to calibrate with where there are no real ones: seeded blobs of colour, as JPEGs."""

from pathlib import Path

import numpy as np

CLASSES, SIDE, COARSE = 8, 256, 12


def write_pictures(folder: Path, count: int, seed: int = 0) -> None:
    """Write `count` pictures of SIDE pixels a side, in a folder for each of CLASSES classes."""
    from PIL import Image

    chance = np.random.default_rng(seed)
    for number in range(count):
        coarse = chance.integers(0, 256, (COARSE, COARSE, 3), np.uint8)
        path = folder / f"{number % CLASSES}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
