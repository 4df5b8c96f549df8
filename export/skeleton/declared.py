"""The contract of a Keras model: its own names, made such that every format can take them."""

import re
from keyword import iskeyword

from export.contract import BATCH, IMAGE, LOGITS, Contract, Tensor
from export.skeleton.keras_graph import functional, input_keys, output_keys, unique

DEFAULT = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?", re.IGNORECASE)  # Keras' own names
RESERVED = re.compile(r"weight_\d+")  # what stands in for weights is called so
AXES = {  # by the rank of a tensor
    2: ("time",),
    3: ("time",),
    4: ("height", "width"),
    5: ("depth", "height", "width"),
}


def declared(model) -> Contract:
    """Return the contract of a functional or built Sequential `model`.

    One float image in and one row of logits out are called `image` and `logits` where the model
    has no names of its own for them: an input that Keras named, an output in no dict.
    """
    graph = functional(model) or model
    given, made = _tensors(graph.inputs, "input"), _tensors(graph.outputs, "output")
    default_in, default_out = ("input", None)
    if Contract(given, made).classifier:
        default_in, default_out = IMAGE, LOGITS
    taken: set[str] = set()
    names_in = [
        _name(default_in if DEFAULT.fullmatch(name) else name, taken) for name in input_keys(graph)
    ]
    names_out = [
        _name(key or default_out or name, taken)
        for key, name in zip(*output_keys(graph), strict=True)
    ]
    return Contract(_renamed(given, names_in), _renamed(made, names_out))


def _renamed(tensors, names: list[str]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name, tensor.dtype, tensor.shape)
        for name, tensor in zip(names, tensors, strict=True)
    )


def _name(name: str, taken: set[str]) -> str:
    """Return `name` as letters, digits and _, and unlike those `taken`, also in lower case."""
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("_")
    if not safe[:1].isalpha() or RESERVED.fullmatch(safe) or iskeyword(safe):
        safe = f"tensor_{safe}"
    found = unique(safe, taken, str.lower)
    taken.add(found.lower())
    return found


def _tensors(tensors, side: str) -> tuple[Tensor, ...]:
    return tuple(Tensor(side, _dtype(one), _shape(one.shape)) for one in tensors)


def _dtype(tensor) -> str:
    return str(tensor.dtype)


def _shape(shape) -> tuple:
    """The shape, its batch free, and each other free axis with a name."""
    names = AXES.get(len(shape), ())
    sizes = [
        size if size is not None else (names[at] if at < len(names) else f"dim_{at + 1}")
        for at, size in enumerate(shape[1:])
    ]
    return (BATCH, *sizes)
