"""How many pictures are trained on at once, so that memory has a bound: imported by scripts.

Training keeps what each layer gives until the way back. Without batch-norm, the gradient of a batch
is the sum of those of its parts, so a batch of any size is taken in parts. A batch-norm takes mean
and variance of all pictures that it sees at once, so there a batch stays whole, and is smaller
unless its size was asked for. (Ranges that are learnt for int8 move with each part.)
"""

from collections import Counter

import numpy as np

USUAL, LEAST = 32, 8  # pictures in a batch, where nobody asked for a number
PART, WHOLE = 256 << 20, 2 << 30  # bytes that layers may give, for a part and for a whole batch
FLOAT = 4  # bytes


def portions(model, description, asked):
    """Return the pictures in a `batch_size`, and the `part` that goes through the network at once.

    `asked` is the size of a batch that was asked for, or None; `fewer` says that it became smaller
    than usual.
    """
    each = FLOAT * activations(model, description)
    if any(one["class_name"] == "BatchNormalization" for one in description["layers"]):
        size = asked or _whole(each)
        return {"batch_size": size, "part": size, "fewer": not asked and size < USUAL}
    size = asked or USUAL
    parts = -(-size // max(1, PART // each))
    return {"batch_size": size, "part": -(-size // parts), "fewer": False}


def _whole(each):
    size = USUAL
    while size > LEAST and size * each > WHOLE:
        size //= 2
    return size


def activations(model, description):
    """How many numbers all layers of `model` give for one picture."""
    calls, values = Counter(), 0
    for call in description["calls"]:
        name = call["layer"]
        shape = model.get_layer(name).get_output_shape_at(calls[name])
        calls[name] += 1
        values += int(np.prod(shape[1:]))
    return values
