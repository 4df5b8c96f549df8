"""The settings of Keras that a network of the catalog is built with."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


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
