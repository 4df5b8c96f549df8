"""The signature `classify`, around a network: encoded pictures in, names and probabilities out.

Both halves are plain TensorFlow ops known to 2.17 and to 2.21, and hold no variables, so they can
be traced on their own and joined to any graph from `image` to `logits`; of TF-TRT they stay
outside the engine, on the CPU.

The arithmetic is that of `keras_nets/preprocess.py`, pixel for pixel where it blends by itself and
within one grey level where it asks Pillow. Two things differ. TensorFlow's decoder ignores EXIF, so
a picture that is stored turned is classified turned. And a picture that does not decode is an error
for every request that shares its batch: check pictures before they are sent, as the client does.
"""

from collections.abc import Sequence

import tensorflow as tf

from export.contract import PROBABILITIES

TOP = 5


def decode_images(encoded, recipe):
    """Make images of encoded ones: (batch,) of JPEG or PNG -> (batch, crop, crop, 3) float32.

    `recipe` states `short`, `crop`, `mean`, `std` (by channel, in 0..1), `resample`: opencv,
    pillow or darknet, and perhaps `order`, of the channels: rgb or bgr.
    """
    blends = {"opencv": _blend_bytes, "darknet": _blend_floats, "pillow": None}
    if recipe.resample not in blends:
        known = ", ".join(blends)
        raise ValueError(f"no resampling is called {recipe.resample!r}; there are {known}")
    blend = blends[recipe.resample]

    def crop(one):
        # Accurate and upscaled smoothly, as OpenCV and Pillow decode; also decodes PNG.
        picture = tf.io.decode_jpeg(one, channels=3, dct_method="INTEGER_ACCURATE")
        picture = _crop(picture, recipe, blend) if blend else _crop_smoothly(picture, recipe)
        return tf.ensure_shape(picture, (recipe.crop, recipe.crop, 3))

    order = getattr(recipe, "order", "rgb")
    pixels = tf.map_fn(crop, encoded, fn_output_signature=tf.uint8)
    pixels = tf.ensure_shape(pixels, (None, recipe.crop, recipe.crop, 3))
    if order == "bgr":
        pixels = pixels[..., ::-1]
    values = tf.cast(pixels, tf.float32) * tf.constant(1 / 255, tf.float32)
    mean, std = (tf.constant(by_channel, tf.float32) for by_channel in (recipe.mean, recipe.std))
    return (values - mean) / std


def top_labels(logits, labels: Sequence[str], top: int = TOP) -> dict:
    """Name the likeliest classes of logits (batch, classes), likeliest first.

    Returns `labels`, string, and `probabilities`, float32, each (batch, top); fewer where there
    are not so many classes.
    """
    if logits.shape[-1] not in (None, len(labels)):
        raise ValueError(
            f"labels name each of {logits.shape[-1]} classes. Received: {len(labels)} of them"
        )
    probabilities, places = tf.math.top_k(tf.nn.softmax(logits), k=min(top, len(labels)))
    names = tf.constant(list(labels), tf.string)
    return {"labels": tf.gather(names, places), "probabilities": probabilities}


def only_logits(outputs: dict):
    """The logits of a classifier, whose only output they are, or the logarithm of their softmax."""
    ((name, values),) = outputs.items()
    return tf.math.log(values) if name == PROBABILITIES else values


def classify(network, recipe, labels: Sequence[str]):
    """Return a tf.function from `encoded` (batch,) to `top_labels`, around `network`.

    `network` maps images (batch, height, width, 3) to logits (batch, classes).
    """
    signature = [tf.TensorSpec((None,), tf.string, name="encoded")]

    @tf.function(input_signature=signature)
    def serve(encoded):
        return top_labels(network(decode_images(encoded, recipe)), labels)

    return serve


def _crop(picture, recipe, blend):
    """Resize and crop at once: only the pixels of the crop are computed."""
    height, width = (tf.cast(side, tf.float64) for side in tf.unstack(tf.shape(picture)[:2]))
    new_height, new_width = _resized(height, width, recipe)
    rows = _taps(height, new_height, recipe)
    columns = _taps(width, new_width, recipe)
    return tf.cast(blend(picture, rows, columns), tf.uint8)


def _resized(height, width, recipe):
    """Height and width, float64 of whole pixels, once the shorter side is `recipe.short`."""
    short = tf.constant(recipe.short, tf.float64)
    shorter = tf.minimum(height, width)
    if recipe.resample == "opencv":
        return tf.round(height * (short / shorter)), tf.round(width * (short / shorter))
    longer = tf.floor(short * tf.maximum(height, width) / shorter)
    portrait = height > width
    return tf.where(portrait, longer, short), tf.where(portrait, short, longer)


def _taps(side, new, recipe):
    """Lower and upper source pixel, int32, and the weight of the upper, float32: (crop,) each."""
    start = tf.math.floordiv(new - recipe.crop, 2.0)
    places = start + tf.range(recipe.crop, dtype=tf.float64)
    if recipe.resample == "opencv":
        centre = tf.cast((places + 0.5) * (side / new) - 0.5, tf.float32)
    else:
        scale = tf.cast((side - 1) / tf.maximum(new - 1, 1), tf.float32)
        centre = tf.cast(places, tf.float32) * scale
    floor = tf.floor(centre)
    last = tf.cast(side, tf.float32) - 1
    outside = tf.logical_or(floor < 0, floor >= last)
    weight = tf.where(outside, tf.zeros_like(centre), centre - floor)
    lower = tf.clip_by_value(floor, 0, last)
    upper = tf.minimum(lower + 1, last)
    return tf.cast(lower, tf.int32), tf.cast(upper, tf.int32), weight


def _corners(picture, rows, columns, dtype):
    """Four source pixels of each pixel of the crop: ((upper left, right), (lower left, right))."""
    return [
        [
            tf.cast(tf.gather(tf.gather(picture, row, axis=0), column, axis=1), dtype)
            for column in columns[:2]
        ]
        for row in rows[:2]
    ]


def _blend_bytes(picture, rows, columns):
    """Mix with weights of 11 bits, as OpenCV's vectorised loop does."""
    along, down = (tf.cast(tf.round(side[2] * 2048), tf.int32) for side in (columns, rows))
    along, down = along[:, None], down[:, None, None]

    def shift(values, bits):
        return tf.bitwise.right_shift(values, bits)

    (a, b), (c, d) = _corners(picture, rows, columns, tf.int32)
    above, below = (
        shift(left * (2048 - along) + right * along, 4) for left, right in ((a, b), (c, d))
    )
    mixed = shift(above * (2048 - down), 16) + shift(below * down, 16)
    return shift(mixed + 2, 2)


def _blend_floats(picture, rows, columns):
    along, down = columns[2][:, None], rows[2][:, None, None]
    (a, b), (c, d) = _corners(picture, rows, columns, tf.float32)
    above, below = (left * (1 - along) + right * along for left, right in ((a, b), (c, d)))
    return tf.round(above * (1 - down) + below * down)


def _crop_smoothly(picture, recipe):
    """Resize with a triangle that widens with the scale, as Pillow does, then crop."""
    height, width = (tf.cast(side, tf.float64) for side in tf.unstack(tf.shape(picture)[:2]))
    size = [tf.cast(side, tf.int32) for side in _resized(height, width, recipe)]
    resized = tf.image.resize(picture, tf.stack(size), method="bilinear", antialias=True)
    top, left = (
        tf.cast(tf.round(tf.cast(side - recipe.crop, tf.float64) / 2), tf.int32) for side in size
    )
    cropped = resized[top : top + recipe.crop, left : left + recipe.crop]
    return tf.cast(tf.clip_by_value(tf.round(cropped), 0, 255), tf.uint8)
