"""The pickled state dictionary over separate storages that both kinds of torch file have."""

import math
from collections.abc import Callable

from keras_nets.errors import WeightsError
from keras_nets.weights.pickled import Call, Function, Reference
from keras_nets.weights.tensor import Stream, Tensor, check_shape

STORAGES = {
    "torch.FloatStorage": ("float32", 4),
    "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2),
    "torch.DoubleStorage": ("float64", 8),
    # Counters such as num_batches_tracked: listed, and refused where a weight is wanted.
    "torch.ComplexFloatStorage": ("complex64", 8),
    "torch.ComplexDoubleStorage": ("complex128", 16),
    "torch.LongStorage": ("int64", 8),
    "torch.IntStorage": ("int32", 4),
    "torch.ShortStorage": ("int16", 2),
    "torch.CharStorage": ("int8", 1),
    "torch.ByteStorage": ("uint8", 1),
    "torch.BoolStorage": ("bool", 1),
}
# Functions that make a tensor out of another one, which is their first argument or in its place.
AROUND = {
    "torch._utils._rebuild_parameter": lambda arguments: arguments[0],
    "torch._utils._rebuild_parameter_with_state": lambda arguments: arguments[0],
    # Of a tensor with attributes: a function, a class, and the arguments for the function.
    "torch._tensor._rebuild_from_type_v2": lambda arguments: Call(arguments[0], arguments[2]),
}
PLAIN = (
    "torch._utils._rebuild_tensor",  # before torch 0.4
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
)

MOST_AROUND = 4

OpenStorage = Callable[[str, int, int], Stream]  # key, first byte, bytes -> stream


def storage_of(value) -> tuple[str, str, int, int]:
    """(key, dtype, bytes an element, elements) of a pickled reference to a storage."""
    kind, storage, key, _, count, *view = value.id
    if kind != "storage" or not isinstance(storage, Function) or any(part for part in view):
        raise ValueError("a storage that is none")
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise ValueError("a storage without a key or a size")
    if str(storage) not in STORAGES:
        raise WeightsError(f"it holds values in a {str(storage)[:200]}, which is not known here")
    return key, *STORAGES[str(storage)], count


def rebuilt(name: str, value, open_storage: OpenStorage, big_endian: bool) -> Tensor | None:
    """Return the tensor that a pickled rebuild call describes, or None for any other value."""
    for _ in range(MOST_AROUND):
        if isinstance(value, Call) and str(value.function) in AROUND:
            value = AROUND[str(value.function)](value.arguments)
    if not (isinstance(value, Call) and "_rebuild" in value.function.name):
        return None
    if str(value.function) not in PLAIN:
        raise WeightsError(
            f"tensor {name[:200]!r} is made by {str(value.function)[:200]!r}, which makes no plain"
            " ones; save it dense and as floats, with torch"
        )
    reference, offset, shape, strides, *_ = value.arguments
    if not isinstance(reference, Reference):
        raise ValueError(f"tensor {name!r} has no storage")
    key, dtype, item, count = storage_of(reference)
    shape, strides = check_shape(name, shape), check_shape(name, strides)
    extent = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    extent = 0 if 0 in shape else extent
    if extent != math.prod(shape):
        raise WeightsError(f"tensor {name!r} is a view with gaps; save it contiguous, with torch")
    if type(offset) is not int or offset < 0 or offset + extent > count:
        raise WeightsError(
            f"tensor {name!r} of shape {shape} lies outside its storage of {count:_} values"
        )
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        open=lambda: open_storage(key, offset * item, extent * item),
        big_endian=big_endian,
        strides=None if strides == _in_order(shape, strides) else strides,
    )


def _in_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of C order; those of axes of length 1 do not matter, and stay."""
    ordered, step = [], 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        ordered.append(stride if length == 1 else step)
        step *= length
    return tuple(reversed(ordered))
