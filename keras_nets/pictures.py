"""Find the pictures in a folder, and decode their pixels.

Anybody may have made them. Only decoders of a few formats are let near a file, never one that runs
another program (Pillow hands an EPS to Ghostscript, whatever its name ends in), and a picture of
more than `MOST_PIXELS` is refused before it takes memory.
"""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # Pillow's names of them
# The largest picture of ImageNet has 61 million. One of 64 million takes 0.65 GB
# while it is read, as a WebP 1.1 GB.
MOST_PIXELS = 64_000_000
LARGEST_FILE = 512 << 20  # bytes; 64 million pixels of 16-bit RGB take 366 MiB
# Folders that programs and file servers make beside pictures, with thumbnails or waste in them; in
# small letters. Those that begin with a dot, as .ipynb_checkpoints, are hidden anyway.
ASIDE = frozenset(
    ("#recycle", "$recycle.bin", "@eadir", "@recycle", "__macosx", "lost+found",
     "system volume information")
)  # fmt: skip


class ImageError(ValueError):
    """A picture cannot be read; the message is one line that names it."""


def list_images(folder: Path | str) -> list[Path]:
    """Return the files below `folder` that are pictures by their ending, sorted by path.

    Hidden files and folders are passed over, and folders that no person made, such as `@eaDir`.
    """
    return sorted(_images_below(Path(folder), ()))


def _images_below(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Yield the pictures below `folder`; `above` are the true paths of the folders on the way."""
    here = os.path.realpath(folder)
    if here in above:  # a link back up: each round would find the same pictures, without end
        return
    _, folders, names = next(os.walk(folder), ("", (), ()))
    yield from (folder / name for name in names if is_image(name))
    for name in folders:
        if not name.startswith(".") and name.lower() not in ASIDE:
            yield from _images_below(folder / name, (*above, here))


def is_image(name: Path | str) -> bool:
    """Return whether a file is a picture, by its ending; hidden files are not."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def load_image(source) -> np.ndarray:
    """Decode a picture to RGB, uint8 (height, width, 3), upright as its EXIF orientation says.

    Transparency is dropped, 16 bits keep the upper 8, an animation gives its first frame: what
    OpenCV's IMREAD_COLOR does. (torchvision's and darknet's own loaders do not turn pictures.)

    Raises ImageError, which names the file: not a picture of one of `FORMATS`, cut short, 32-bit
    pixels of unknown range, or more than `MOST_PIXELS`, which is known before any is decoded.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise ImageError(
                "an array is RGB as uint8 (height, width, 3). "
                f"Received: {source.dtype} {source.shape}"
            )
        return source
    with open_image(source) as image:
        return _decode(image)


@contextmanager
def open_image(source) -> Iterator[Image.Image]:
    """Give a Pillow image of a path, of a file's bytes, or a copy of a Pillow image.

    Only its header is read; its pixels are when they are first asked for, before the end of the
    context. Raises ImageError as `load_image` does, here or as the pixels are read.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's limit, twice as high as ours, may warn of what is refused below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = source.copy() if isinstance(source, Image.Image) else _opened(source)
        with image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError(
                    f"{width}x{height} pixels are over the limit of {MOST_PIXELS:,} pixels"
                )
            yield image
    except Exception as cause:  # decoders raise nearly every kind on hostile bytes
        raise ImageError(f"cannot read {_name(source)}: {_reason(cause)}") from cause


def _opened(source) -> Image.Image:
    if isinstance(source, bytes):
        return Image.open(io.BytesIO(source), formats=_formats())
    found = Path(source).stat()  # a pipe would be waited for, and some decoders read files whole
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError("it is no regular file")
    if found.st_size > LARGEST_FILE:
        raise ValueError(f"{found.st_size:,} bytes are over the limit of {LARGEST_FILE:,}")
    return Image.open(source, formats=_formats())


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]  # Pillow has AVIF since 11.3


def _decode(image: Image.Image) -> np.ndarray:
    # In place, and converted only where need be: each copy of a large picture takes as much again.
    pgm = image.format == "PPM" and image.mode == "I"  # Pillow brings its 16 bits to 0..65535
    ImageOps.exif_transpose(image, in_place=True)
    if pgm or image.mode.startswith("I;16"):  # convert() would clip at 255
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.stack([grey] * 3, axis=-1)
    if image.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {image.mode}) have no known range")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns on standard error
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _name(source) -> str:
    if isinstance(source, bytes):
        return f"a picture of {len(source)} bytes"
    if isinstance(source, Image.Image):
        return repr(getattr(source, "filename", "") or "a Pillow image")
    return repr(str(source))


def _reason(cause: Exception) -> str:
    if isinstance(cause, UnidentifiedImageError):
        return f"no picture of {', '.join(FORMATS)}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return " ".join(str(cause).split()) or type(cause).__name__
