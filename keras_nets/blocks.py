"""What every family needs: Keras' settings, a checked flavour and a checked input."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

Image = tuple[int, int, int]  # height, width, channels


@contextmanager
def own_settings() -> Iterator[None]:
    """Build with channels last and in float32, whatever the user's keras.json or policy says.

    A layer keeps what it is built with, so a network of the catalog is the same for everybody.
    Decorates a builder, too.
    """
    config = keras.config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    config.set_image_data_format("channels_last")
    config.set_floatx("float32")
    config.set_dtype_policy("float32")
    try:
        yield
    finally:
        config.set_image_data_format(before[0])
        config.set_floatx(before[1])
        config.set_dtype_policy(before[2])


def check_flavour(net: str, flavour: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless `flavour` is one that `net` comes in."""
    if flavour not in known:
        raise ValueError(f"{net} has no flavour {flavour!r}; it comes as {', '.join(known)}")


def image_input(net: str, image: Image, *, smallest: int):
    """Return the input `image`, float32 (batch, height, width, channels).

    Raises ValueError where a side is below `smallest` pixels and a later layer would be empty.
    """
    image = tuple(image)
    if len(image) != 3 or None in image or image[2] < 1:
        raise ValueError(f"{net} takes an image of (height, width, channels). Received: {image}")
    if min(image[:2]) < smallest:
        raise ValueError(
            f"{net} takes images of at least {smallest}x{smallest} pixels. Received: {image}"
        )
    return keras.Input(image, name="image", dtype="float32")
