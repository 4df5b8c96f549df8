"""Check a server's answer before it is used: as many rows as were asked for, of finite numbers.

Outputs come as arrays (gRPC) or as parsed JSON (REST), from a server that may be faulty.
"""

import numpy as np

from export.printable import printable
from export.serving.client.retry import ServerError

NUMBERS = (int, float)  # exactly: JSON's true and false are no numbers


def read_logits(outputs: dict, count: int) -> np.ndarray:
    """Return `logits` as float32 (count, classes); raises ServerError if they are not that."""
    return _rows(_numbers(outputs, "logits"), "logits", count)


def read_classes(outputs: dict, count: int) -> list[list[tuple[str, float]]]:
    """Return (label, probability) of the likeliest classes of each of `count` pictures.

    Raises ServerError if `labels` and `probabilities` are not a row for each, of one length.
    """
    labels = _rows(_texts(outputs, "labels"), "labels", count)
    probabilities = _rows(_numbers(outputs, "probabilities"), "probabilities", count)
    if labels.shape != probabilities.shape:
        raise ServerError(
            f"the server answered with {labels.shape[1]} labels a picture "
            f"and {probabilities.shape[1]} probabilities"
        )
    return [
        [(text, float(value)) for text, value in zip(*row, strict=True)]
        for row in zip(labels, probabilities, strict=True)
    ]


def _numbers(outputs: dict, name: str) -> np.ndarray:
    values = _output(outputs, name)
    kind = values.dtype.kind
    if kind == "O" and not all(type(value) in NUMBERS for value in values.flat):
        raise ServerError(f"the server answered with something other than numbers as `{name}`")
    if kind not in "Ofiu":
        raise ServerError(f"the server answered with {values.dtype} as `{name}`, no numbers")
    try:
        with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
            numbers = values.astype(np.float32)
    except OverflowError:  # JSON's integers have no end
        numbers = np.full(values.shape, np.inf, np.float32)
    if not np.isfinite(numbers).all():
        raise ServerError(f"the server answered with `{name}` that are infinite or no number (NaN)")
    return numbers


def _texts(outputs: dict, name: str) -> np.ndarray:
    values = _output(outputs, name)
    if not all(isinstance(value, (str, bytes)) for value in values.flat):
        raise ServerError(f"the server answered with something other than text as `{name}`")
    texts = [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for value in values.flat
    ]
    safe = np.empty(len(texts), object)
    safe[:] = [printable(text) for text in texts]
    return safe.reshape(values.shape)


def _output(outputs: dict, name: str) -> np.ndarray:
    if name not in outputs:
        known = printable(", ".join(map(str, outputs))) or "none"
        raise ServerError(f"the server answered without `{name}`; its outputs: {known}")
    values = outputs[name]
    # Objects, because numpy would make texts as long as the longest one of them.
    return values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)


def _rows(values: np.ndarray, name: str, count: int) -> np.ndarray:
    if values.ndim != 2 or len(values) != count or not values.shape[1]:
        raise ServerError(
            f"the server answered with `{name}` of shape {list(values.shape)} "
            f"to {count} pictures; it should be a row for each"
        )
    return values
