"""What a served model takes and gives, and whether inputs are that, before they are sent."""

from collections.abc import Mapping

import numpy as np

from export.contract import BATCH, Batch, Contract, Tensor, in_words
from export.serving.client.retry import ServerError
from export.serving.savedmodel import Signature
from export.serving.tensors import numpy_name
from export.signatures import SIGNATURE


def contract_of(signatures: Mapping[str, Signature], model: str) -> Contract:
    """Return the contract that the signatures of a served version declare.

    Raises ServerError where they declare none, or of types that no request holds.
    """
    found = signatures.get(SIGNATURE)
    if found is None or not found.inputs or not found.outputs:
        raise ServerError(
            f"{model!r} has no signature {SIGNATURE} with inputs and outputs, so it is not of "
            f"tools/export.py; its signatures: {', '.join(signatures) or 'none'}"
        )
    try:
        return Contract(_tensors(found.inputs), _tensors(found.outputs))
    except ValueError as error:
        raise ServerError(f"{model!r} cannot be asked: {error}") from error


def fit(inputs: Mapping, contract: Contract) -> Batch:
    """Return `inputs` as the types that `contract` declares.

    Raises ValueError where a name, a type, a shape or the number of samples is another, or a number
    is not finite.
    """
    names = [tensor.name for tensor in contract.inputs]
    if set(inputs) != set(names):
        raise ValueError(
            f"the model takes {in_words(contract.inputs)}. Received: {', '.join(map(str, inputs))}"
        )
    batch = {tensor.name: _fit(inputs[tensor.name], tensor) for tensor in contract.inputs}
    counts = {name: len(values) for name, values in batch.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise ValueError(f"inputs are as many of each, and at least one. Received: {counts}")
    return batch


def _fit(given, tensor: Tensor) -> np.ndarray:
    wanted = in_words([tensor])
    try:
        values = np.asarray(given, object if tensor.dtype == "string" else None)
    except ValueError as error:  # rows of several lengths
        raise ValueError(f"the model takes {wanted}. Received: {error}") from error
    if tensor.dtype == "string":
        values = _encoded(values, wanted)
    elif not _holds(tensor.dtype, values):
        raise ValueError(f"the model takes {wanted}. Received: {values.dtype}")
    sizes = (None, *tensor.sizes)
    if values.ndim != len(sizes) or any(
        size not in (None, found) for size, found in zip(sizes, values.shape, strict=True)
    ):
        raise ValueError(f"the model takes {wanted}. Received: shape {list(values.shape)}")
    if tensor.dtype == "string":
        return values
    made = values.astype(tensor.dtype)
    if tensor.floats and not np.isfinite(made).all():
        raise ValueError(f"`{tensor.name}` is of finite numbers. Received: infinite ones or NaN")
    return made


def _holds(dtype: str, values: np.ndarray) -> bool:
    """Whether `dtype` holds all of `values`: floats any number, whole numbers those in range."""
    kind, own = np.dtype(dtype).kind, values.dtype.kind
    if kind == "f":
        return own in "fiu"
    if own == "b" or kind == "b":
        return own == kind
    if own not in "iu":
        return False
    if not values.size:
        return True
    limits = np.iinfo(dtype)
    return limits.min <= values.min() and values.max() <= limits.max


def _encoded(values: np.ndarray, wanted: str) -> np.ndarray:
    """Texts as bytes, in an array of objects."""
    made = np.empty(values.shape, object)
    for place, text in np.ndenumerate(values):
        if not isinstance(text, str | bytes):
            raise ValueError(f"the model takes {wanted}. Received: {type(text).__name__}")
        made[place] = text.encode() if isinstance(text, str) else text
    return made


def _tensors(declared: Mapping) -> tuple[Tensor, ...]:
    return tuple(_tensor(name, tensor) for name, tensor in declared.items())


def _tensor(name: str, tensor) -> Tensor:
    if not tensor.shape:
        raise ValueError(f"`{name}` has no axes that are known")
    sizes = (None if size < 0 else size for size in tensor.shape[1:])
    return Tensor(name, numpy_name(tensor.dtype), (BATCH, *sizes))
