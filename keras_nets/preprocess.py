"""Pictures to the input of a network: decode, resize the short side, crop the centre, normalise.

Every flavour's weights were trained behind another framework's arithmetic, stated here in full so
that it can be written again elsewhere. For a picture (height, width) and a `Recipe`:

**size.** `opencv`: each side becomes int(round(side * (short / shorter side))), Python's rounding
half to even. `pillow` and `darknet`: the shorter side becomes `short`, the longer
int(short * longer / shorter).

**crop.** The first row and column kept are (side - crop) // 2, in `pillow`
int(round((side - crop) / 2)).

**resample.** All bilinear. For a column `x` of the resized picture:

- `opencv`, INTER_LINEAR on bytes, no antialias: centre = float32((x + 0.5) * (width / new width)
  - 0.5); left = floor(centre), right = left + 1, both clamped to the picture; the weight of right
  is b = round((centre - left) * 2048), or 0 where centre lies outside the outermost pixel
  centres; that of left is a = 2048 - b. For a row likewise upper, lower, c and d. In int32:

      upper = (pixel[upper, left] * a + pixel[upper, right] * b) >> 4, and lower likewise
      value = ((upper * c >> 16) + (lower * d >> 16) + 2) >> 2

- `pillow`: `Image.resize` with `BILINEAR`, whose triangle widens with the scale (antialias).
- `darknet`: corners stay corners, centre = x * (width - 1) / (new width - 1) in float32, no
  antialias; rounded to bytes here, where darknet keeps the float (up to 0.5 of 255 apart).

**normalise.** float32: (value * float32(1 / 255) - mean) / std, by channel, RGB or, where the
recipe says so, BGR.

Sources: PaddleClas d178931 `ppcls/data/preprocess/ops/operators.py`, OpenCV 4.14 and 5.0 (whose
vectorised loop those shifts are), torchvision 0.28, pjreddie/darknet `validate_classifier_single`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_nets.catalog import Net
from keras_nets.pictures import MOST_PIXELS, ImageError, list_images, load_image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
SAMPLE = 32  # pictures that stand for a folder where a network is compared with another
ORDERS = ("rgb", "bgr")
RESAMPLES = {"paddle": "opencv", "torchvision": "pillow", "darknet": "darknet"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a picture becomes an input; sides in pixels, `mean` and `std` by channel in 0..1.

    Channels are in the `order` that the network takes them in.
    """

    crop: int
    short: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: str  # opencv, pillow or darknet
    order: str = "rgb"  # or bgr

    def __post_init__(self):
        if not 0 < self.crop <= self.short:
            raise ValueError(
                f"the short side is at least the crop, and that at least 1 pixel. "
                f"Received: short {self.short}, crop {self.crop}"
            )
        if self.resample not in RESAMPLES.values():
            known = ", ".join(RESAMPLES.values())
            raise ValueError(f"no resampling is called {self.resample!r}; there are {known}")
        if self.order not in ORDERS:
            known = ", ".join(ORDERS)
            raise ValueError(f"no order of channels is called {self.order!r}; there are {known}")


def recipe_for(net: Net, flavour: str = "paddle", size: int | None = None) -> Recipe:
    """Return the recipe behind `net`'s published accuracy, or the same in proportion at `size`.

    Seven networks crop 224 from a short side of 256; at another `size` the short side is
    round(size * 256 / 224). DarkNet53 takes the whole short side, 256, which is what PaddleClas'
    page prints. Its sources disagree: the configuration there resizes to 292, an older one
    cropped 224, and which of them gave the 0.780 is not stated.
    """
    if flavour not in net.flavours:
        known = ", ".join(net.flavours)
        raise ValueError(f"{net.name} has no flavour {flavour!r}; it comes as {known}")
    crop = size or net.image[0]
    short = crop if net.name == "darknet53" else round(crop * 256 / 224)
    mean, std = (MEAN, STD) if flavour != "darknet" else ((0.0,) * 3, (1.0,) * 3)
    return Recipe(crop=crop, short=short, mean=mean, std=std, resample=RESAMPLES[flavour])


def recipe_for_image(net: Net, flavour: str, image: tuple[int, int, int]) -> Recipe:
    """Return `recipe_for` a network built for `image` (height, width, channels).

    Raises ValueError if pictures cannot become such images.
    """
    height, width, channels = image
    if height != width or channels != 3:
        raise ValueError(
            f"this {net.name} takes images {height}x{width}x{channels}; "
            "pictures are cropped square and have 3 channels"
        )
    return recipe_for(net, flavour, height)


def preprocess(source, recipe: Recipe) -> np.ndarray:
    """Return the input for one picture, float32 (crop, crop, 3).

    Args:
        source: a path, the bytes of a file, a Pillow image, or RGB as uint8 (height, width, 3).

    Raises ImageError if the source cannot be read.
    """
    values = crop_picture(source, recipe) * np.float32(1 / 255)
    return (values - np.float32(recipe.mean)) / np.float32(recipe.std)


def crop_picture(source, recipe: Recipe) -> np.ndarray:
    """Return the same before it is normalised, uint8 (crop, crop, 3) in the recipe's order."""
    pixels = crop_image(load_image(source), recipe)
    return pixels[..., ::-1] if recipe.order == "bgr" else pixels


def preprocess_sample(folder: Path | str, recipe: Recipe, most: int = SAMPLE) -> np.ndarray:
    """Return the inputs of at most `most` pictures below `folder`, float32 (n, crop, crop, 3).

    They are those of `choose_sample`. Raises ImageError if one cannot be read.
    """
    return np.stack([preprocess(path, recipe) for path in choose_sample(folder, most)])


def choose_sample(folder: Path | str, most: int = SAMPLE) -> list[Path]:
    """Return at most `most` pictures below `folder`, evenly spread over `list_images`.

    Neighbours are often of one class. Raises ValueError if there is no picture.
    """
    paths = list_images(folder)
    if not paths:
        raise ValueError(f"there is no picture below {str(folder)!r}; name a folder that has some")
    count = min(most, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def crop_image(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Resize the short side and crop the centre: uint8 (height, width, 3) -> (crop, crop, 3).

    Except in `pillow`, only the pixels of the crop are computed, so that memory stays bounded
    however long the picture is.
    """
    if recipe.resample == "pillow":
        return _crop_with_pillow(image, recipe)
    rows, columns = (
        _taps(side, new, (new - recipe.crop) // 2, recipe)
        for side, new in zip(image.shape[:2], _resized(*image.shape[:2], recipe), strict=True)
    )
    blend = _blend_bytes if recipe.resample == "opencv" else _blend_floats
    return blend(image, rows, columns)


def _resized(height: int, width: int, recipe: Recipe) -> tuple[int, int]:
    """Height and width once the shorter side is `recipe.short`."""
    shorter = min(height, width)
    if recipe.resample == "opencv":
        percent = recipe.short / shorter
        return int(round(height * percent)), int(round(width * percent))
    longer = int(recipe.short * max(height, width) / shorter)
    return (recipe.short, longer) if height <= width else (longer, recipe.short)


def _crop_with_pillow(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    height, width = _resized(*image.shape[:2], recipe)
    if height * width > MOST_PIXELS:
        raise ImageError(
            f"a picture of {image.shape[1]}x{image.shape[0]} pixels becomes {width}x{height}, "
            f"over the limit of {MOST_PIXELS:,} pixels"
        )
    # The whole picture, for Image.resize rounds a box to float32 and pixels would differ by one.
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    top, left = (int(round((side - recipe.crop) / 2.0)) for side in (height, width))
    return np.asarray(resized)[top : top + recipe.crop, left : left + recipe.crop]


def _taps(side: int, new: int, start: int, recipe: Recipe) -> tuple[np.ndarray, ...]:
    """Two source pixels and the weight of the second, for each pixel of the crop along one side.

    Three arrays (crop,): lower index, upper index, weight as float32 in 0..1.
    """
    places = np.arange(start, start + recipe.crop)
    if recipe.resample == "opencv":
        centre = ((places + 0.5) * (side / new) - 0.5).astype(np.float32)
    else:
        centre = places.astype(np.float32) * np.float32((side - 1) / max(new - 1, 1))
    lower = np.floor(centre).astype(np.intp)
    weight = centre - lower.astype(np.float32)
    weight[(lower < 0) | (lower >= side - 1)] = 0
    lower = lower.clip(0, side - 1)
    return lower, np.minimum(lower + 1, side - 1), weight


def _blend_bytes(image: np.ndarray, rows, columns) -> np.ndarray:
    """Mix four pixels with weights of 11 bits, as OpenCV's vectorised loop does."""
    (top, bottom, down), (left, right, along) = rows, columns
    along, down = (np.rint(weight * 2048).astype(np.int32) for weight in (along, down))
    along, down = along[:, None], down[:, None, None]

    def mix(row):
        across = image[row[:, None], left] * (2048 - along) + image[row[:, None], right] * along
        return across >> 4

    mixed = (mix(top) * (2048 - down) >> 16) + (mix(bottom) * down >> 16)
    return (mixed + 2 >> 2).astype(np.uint8)


def _blend_floats(image: np.ndarray, rows, columns) -> np.ndarray:
    (top, bottom, down), (left, right, along) = rows, columns
    along, down = along[:, None], down[:, None, None]

    def mix(row):
        return image[row[:, None], left] * (1 - along) + image[row[:, None], right] * along

    return np.rint(mix(top) * (1 - down) + mix(bottom) * down).astype(np.uint8)
