"""Check a server's answer before it is used: as many rows as were asked for, of finite numbers.

Outputs come as arrays (gRPC) or as parsed JSON (REST), from a server that may be faulty.
"""

from collections.abc import Sequence

import numpy as np

from export.contract import Tensor
from export.printable import printable
from export.serving.client.retry import ServerError

NUMBERS = (int, float)  # exactly: JSON's true and false are no numbers
ALONE = ""  # the name of an only output that an answer gives no name


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


def read_outputs(outputs: dict, declared: Sequence[Tensor], count: int) -> dict[str, np.ndarray]:
    """Return what was `declared`, by name, each with a row for each of `count` samples.

    Raises ServerError if one is missing, or of another type or shape than it was declared.
    """
    return {tensor.name: _declared(outputs, tensor, count) for tensor in declared}


def _declared(outputs: dict, tensor: Tensor, count: int) -> np.ndarray:
    name, wanted = tensor.name, (count, *tensor.sizes)
    if tensor.dtype == "string":
        values = _texts(outputs, name)
    elif tensor.floats:
        values = _numbers(outputs, name).astype(tensor.dtype)
    else:
        values = _whole(outputs, name, tensor.dtype)
    fits = values.ndim == len(wanted) and all(
        size in (None, found) for size, found in zip(wanted, values.shape, strict=True)
    )
    if not fits:
        raise ServerError(
            f"the server answered with `{name}` of shape {list(values.shape)}, and it is declared "
            f"as {['any' if size is None else size for size in wanted]}"
        )
    return values


def _whole(outputs: dict, name: str, dtype: str) -> np.ndarray:
    """Whole numbers or flags, as exactly as they came."""
    values = _output(outputs, name)
    try:
        found = values.astype(dtype)
        same = bool((found == values).all())
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        raise ServerError(f"the server answered with something other than {dtype} as `{name}`")
    return found


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
    if set(outputs) == {ALONE}:
        name = ALONE
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
