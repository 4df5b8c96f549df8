"""Checks of flavour and image, which every family of networks needs."""

import keras

Image = tuple[int, int, int]  # height, width, channels


def check_flavour(net: str, flavour: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless `flavour` is one that `net` comes in."""
    if flavour not in known:
        raise ValueError(f"{net} has no flavour {flavour!r}; it comes as {', '.join(known)}")


def image_input(net: str, image: Image, *, smallest: int):
    """Return the input `image`, float32 (batch, height, width, channels).

    Raises ValueError if a side is below `smallest` pixels and a later layer would be empty.
    """
    image = tuple(image)
    if len(image) != 3 or None in image or image[2] < 1:
        raise ValueError(f"{net} takes an image of (height, width, channels). Received: {image}")
    if min(image[:2]) < smallest:
        raise ValueError(
            f"{net} takes images of at least {smallest}x{smallest} pixels. Received: {image}"
        )
    return keras.Input(image, name="image", dtype="float32")
