"""References to tensors in the configuration of a functional model: [layer, call, output]."""

from collections.abc import Iterator


def is_reference(value) -> bool:
    """Whether a value is [layer, call, output]; its shape is found again when the layer runs."""
    if not isinstance(value, list) or len(value) not in (3, 4):
        return False
    return isinstance(value[0], str) and all(type(one) is int for one in value[1:3])


def references(value) -> Iterator[list]:
    """Every [layer, call, output] within `value`."""
    if is_reference(value):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from references(one)


def as_tensor(reference: list) -> dict:
    """A reference in the words of Keras 3."""
    words = {"shape": [None], "dtype": "float32", "keras_history": reference[:3]}
    return {"class_name": "__keras_tensor__", "config": words}
