"""TensorProto to numpy and back, without TensorFlow."""

import math

import numpy as np

from export.serving.protos import messages

# TensorFlow's name -> numpy's, and the field of TensorProto that servers fill.
KINDS = {
    "DT_FLOAT": ("<f4", "float_val"),
    "DT_DOUBLE": ("<f8", "double_val"),
    "DT_HALF": ("<f2", "half_val"),
    "DT_INT8": ("<i1", "int_val"),
    "DT_INT16": ("<i2", "int_val"),
    "DT_INT32": ("<i4", "int_val"),
    "DT_INT64": ("<i8", "int64_val"),
    "DT_UINT8": ("<u1", "int_val"),
    "DT_UINT16": ("<u2", "int_val"),
    "DT_UINT32": ("<u4", "uint32_val"),
    "DT_UINT64": ("<u8", "uint64_val"),
    "DT_BOOL": ("?", "bool_val"),
}
BITS = "DT_HALF"  # whose field holds the bits of each value as a whole number
LARGEST_FILL = 1 << 24  # values that a single one may stand for: a few bytes claim any shape


def tensorflow_name(dtype: str) -> str:
    """TensorFlow's name of a type that numpy calls `dtype`, or "string".

    Raises ValueError for one that no request holds.
    """
    try:
        found = "DT_STRING" if dtype == "string" else _NAMES.get(np.dtype(dtype))
    except TypeError:
        found = None
    if found is None:
        raise ValueError(f"requests hold {', '.join(KINDS)} or DT_STRING. Received: {dtype}")
    return found


def numpy_name(dtype: str) -> str:
    """The other way round: numpy's name of DT_FLOAT, or "string"."""
    if dtype == "DT_STRING":
        return "string"
    if dtype not in KINDS:
        raise ValueError(f"requests hold {', '.join(KINDS)} or DT_STRING. Received: {dtype}")
    return np.dtype(KINDS[dtype][0]).name


_NAMES = {np.dtype(own): name for name, (own, _) in KINDS.items()}


def to_proto(values, dtype: str):
    """Return `values` as a TensorProto of `dtype`, such as "DT_FLOAT"; "DT_STRING" of bytes.

    Raises ValueError for a dtype that no signature of ours has.
    """
    proto = messages().TensorProto(dtype=messages().DataType.Value(dtype))
    if dtype == "DT_STRING":
        values = np.asarray(values, dtype=object)
        proto.string_val.extend(values.ravel())
    elif dtype in KINDS:
        values = np.ascontiguousarray(values, dtype=KINDS[dtype][0])
        proto.tensor_content = values.tobytes()
    else:
        raise ValueError(f"tensors are {', '.join(KINDS)} or DT_STRING. Received: {dtype}")
    for side in values.shape:
        proto.tensor_shape.dim.add(size=side)
    return proto


def from_proto(proto) -> np.ndarray:
    """Return the values of a TensorProto; of strings, an array of bytes objects.

    Raises ValueError for an unknown dtype, or values that do not fill the shape.
    """
    dtype = messages().DataType.Name(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if dtype == "DT_STRING":
        values = np.asarray(list(proto.string_val), dtype=object)
    elif dtype not in KINDS:
        raise ValueError(f"tensors are {', '.join(KINDS)} or DT_STRING. Received: {dtype}")
    elif proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, KINDS[dtype][0])
    else:
        values = _listed(proto, dtype)
    if any(side < 0 for side in shape):
        raise ValueError(f"a tensor cannot have the shape {list(shape)}")
    count = math.prod(shape)
    if len(values) == 1 and 1 < count <= LARGEST_FILL:  # a single value stands for all of them
        return np.full(shape, values[0])
    return values.reshape(shape)


def _listed(proto, dtype: str) -> np.ndarray:
    """Return the values of a proto that lists each in the field of its type."""
    own, field = KINDS[dtype]
    values = getattr(proto, field)
    if dtype != BITS:
        return np.asarray(values, own)
    return np.asarray(values, np.uint16).view(own)
