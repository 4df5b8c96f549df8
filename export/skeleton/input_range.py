"""The range of numbers that a model takes, found from its first operations.

A network that was trained on pixels of 0 to 255 often rescales them itself. Images around zero
would test it where nobody uses it, and its activations would be too small to overflow.
"""

from dataclasses import dataclass

import numpy as np

from export.skeleton.keras_graph import all_layers, functional, kind, nodes, operations

AFFINE = ("Rescaling", "Normalization")
ARITHMETIC = ("Add", "Divide", "Multiply", "Subtract", "TrueDivide")  # of keras.ops
# At inference these hand on what they are given.
INERT = (
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "InputLayer",
    "SpatialDropout2D",
)
CONTRAST = 0.6  # gives pixels a standard deviation of 41, as photographs have, and no hard edges
PIXELS = 1 / 300, 1 / 100  # a first factor between these undoes a range of 0 to 255


@dataclass(frozen=True, kw_only=True)
class InputRange:
    """How to turn images around zero, with a deviation of about 1, into images for a model."""

    factor: np.ndarray | float = 1.0  # what the model multiplies by first; of an image's shape
    offset: np.ndarray | float = 0.0  # and adds
    pixels: bool = False  # 0 to 255
    whole: bool = False  # numbers without fractions
    unknown: tuple[str, ...] = ()  # layers that change the range elsewhere

    def images(self, normalised: np.ndarray) -> np.ndarray:
        """`normalised` images (n, height, width, channels) in the model's range, float32."""
        if self.pixels:
            made = 255 / (1 + np.exp(-CONTRAST * normalised))
        else:
            made = (normalised - self.offset) / self.factor
        return (np.rint(made) if self.whole else made).astype(np.float32)


def input_range(model, image: tuple[int, int, int]) -> InputRange:
    """Return the range that `model` rescales before its first convolution or dense layer."""
    undone, factors, whole = [], [np.ones(image), np.zeros(image)], False
    pixels = False
    for operation, call in _first_operations(model):
        if type(operation).__name__ == "Cast":
            whole = whole or operation.dtype == "uint8"
            continue
        factor, offset = _affine(call, image)
        if not undone and PIXELS[0] < np.median(np.abs(factor)) < PIXELS[1]:
            pixels = True
        undone.append(operation)
        factors = [factors[0] * factor, factors[1] * factor + offset]
    elsewhere = tuple(
        layer.name for layer in all_layers(model) if kind(layer) in AFFINE and layer not in undone
    )
    usable = np.isfinite(factors).all() and np.abs(factors[0]).min() > 0
    factor, offset = factors if undone and usable else (1.0, 0.0)
    return InputRange(
        factor=factor, offset=offset, pixels=pixels or whole, whole=whole, unknown=elsewhere
    )


def _first_operations(model):
    """Yield the operations at a model's start that change each number of an image by itself.

    Each comes with a function from its input images to its output images.
    """
    graph = functional(model)
    if graph is None:
        return
    tensor = graph.inputs[0]
    while True:
        takers = [node for node in nodes(graph) if any(t is tensor for t in node.input_tensors)]
        if len(takers) != 1 or len(takers[0].input_tensors) != 1:
            return
        (node,) = takers
        operation, inner = node.operation, functional(node.operation)
        if inner is not None:
            yield from _first_operations(operation)
            if not all(_is_first(one) for one in operations(inner)):
                return
        elif not _is_first(operation):
            return
        elif _changes(operation):
            yield operation, _calling(node)
        tensor = node.output_tensors[0]


def _is_first(operation) -> bool:
    inner = functional(operation)
    if inner is not None:
        return all(map(_is_first, operations(inner)))
    inert = kind(operation) in INERT or kind(operation).startswith("Random")
    return inert or _changes(operation)


def _changes(operation) -> bool:
    """Return whether an operation multiplies each number, or adds to it."""
    own = type(operation)
    is_op = own.__module__.startswith("keras.src.ops.")
    return kind(operation) in AFFINE or is_op and own.__name__ in (*ARITHMETIC, "Cast")


def _calling(node):
    def call(images):
        args, options = node.arguments.fill_in({id(node.input_tensors[0]): images})
        return np.asarray(node.operation(*args, **options), np.float64)

    return call


def _affine(call, image) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset, each of an image's shape, of what `call` does."""
    ends = [np.full((1, *image), value, np.float32) for value in (0, 1)]
    offset, end = (call(images)[0] for images in ends)
    return end - offset, offset
