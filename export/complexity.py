"""What a network costs to run: parameters, multiply-accumulates and activations, layer by layer.

The model is traced once, for one example, and each operation of TensorFlow that multiplies and adds
is counted exactly from its shapes, so a layer of any class is counted, attention and the user's own
included. Additions of biases, batch-norm, pooling and activations count nothing, as in torchvision
and in timm (fvcore).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from export.child import in_a_line
from export.errors import ExportError
from export.skeleton.keras_graph import functional, layer_names, run_graph

CONVOLUTION, DENSE = "conv", "dense"


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One call of one layer, for one example."""

    name: str
    kind: str  # the layer's class
    output: tuple[int | None, ...]  # shape, the batch left out; empty if it gives several tensors
    params: int  # of weights that no layer above this one has counted
    trainable: int
    conv_macs: int = 0  # multiply-accumulates of convolutions, also transposed and depthwise ones
    dense_macs: int = 0  # of products of matrices
    activations: int = 0  # numbers that its convolutions and products of matrices give
    uncounted: tuple[str, ...] = ()  # operations whose cost depends on the data, such as loops

    @property
    def macs(self) -> int:
        return self.conv_macs + self.dense_macs


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """A network's layers in the order in which they run, and sums over them."""

    model: str
    inputs: dict[str, tuple[int, ...]]  # name -> shape of one example
    layers: tuple[LayerCost, ...]

    def total(self, field: str) -> int:
        """The sum of a field of `LayerCost` over all layers."""
        return sum(getattr(layer, field) for layer in self.layers)

    @property
    def page_flops(self) -> int:
        """2 x convolution MACs + dense MACs, which is within 0.015 G of what PaddleClas prints."""
        return 2 * self.total("conv_macs") + self.total("dense_macs")

    @property
    def uncounted(self) -> dict[str, tuple[str, ...]]:
        """Layers with operations that could not be counted, and which these are."""
        return {layer.name: layer.uncounted for layer in self.layers if layer.uncounted}


def measure(model, size: tuple[int, int] | None = None) -> Complexity:
    """Count what `model` costs for one example.

    `size` (height, width) in pixels stands for axes of an image that the model leaves free. Raises
    ValueError where a free axis gets no size, and ExportError where TensorFlow does not run the
    model.
    """
    import tensorflow as tf

    shapes = _input_shapes(model, size)
    specs = [tf.TensorSpec((1, *s), t.dtype) for s, t in zip(shapes, model.inputs, strict=True)]
    calls: list[LayerCost] = []

    @tf.function(autograph=False)
    def traced(*inputs):
        calls.clear()  # should TensorFlow trace it again
        _run(model, list(inputs), tf.compat.v1.get_default_graph(), calls)

    try:
        traced.get_concrete_function(*specs)
    except (tf.errors.OpError, TypeError, ValueError) as error:
        why = in_a_line(error)
        raise ExportError(f"{model.name} does not run on one example: {why}") from error
    names = [tensor.name for tensor in model.inputs]
    return Complexity(
        model=model.name, inputs=dict(zip(names, shapes, strict=True)), layers=tuple(calls)
    )


def _input_shapes(model, size) -> list[tuple[int, ...]]:
    """The shape of one example of each input, free sides of images filled from `size`."""
    found = []
    for tensor in model.inputs:
        shape = list(tensor.shape[1:])
        if size and len(shape) == 3:
            shape[:2] = [own or given for own, given in zip(shape, size, strict=False)]
        if None in shape:
            raise ValueError(
                f"input {tensor.name!r} of {model.name} has the free shape {tuple(shape)}; name "
                "one with --image-size, or build the model for a fixed size"
            )
        found.append(tuple(shape))
    return found


def _run(model, inputs: list, graph, calls: list[LayerCost]) -> None:
    """Run `model` symbolically and note each call of each of its layers in `calls`."""
    names, seen = layer_names(model), set()

    def tap(operation):
        inner = functional(operation)
        if inner is not None:
            return lambda x, **_: run_graph(inner, x, tap)

        def call(*args, **options):
            return _called(operation, names.get(operation, operation.name), args, options)

        return call

    def _called(operation, name: str, args, options):
        before = len(graph.get_operations())
        if getattr(operation, "_call_has_training_arg", False):
            options["training"] = False
        outputs = operation(*args, **options)
        made = graph.get_operations()[before:]
        calls.append(_layer(operation, name, outputs, made, seen))
        return outputs

    whole = functional(model)
    if whole is not None:
        run_graph(whole, inputs, tap)
    else:
        _called(model, model.name, inputs[:1] if len(inputs) == 1 else [inputs], {})


def _layer(operation, name: str, outputs, made: list, seen: set) -> LayerCost:
    new = [v for v in getattr(operation, "weights", ()) if id(v) not in seen]
    seen.update(map(id, new))
    costs = [cost_of(op) for op in all_operations(made)]
    shape = getattr(outputs, "shape", None)
    return LayerCost(
        name=name,
        kind=type(operation).__name__,
        output=() if shape is None else tuple(shape[1:]),
        params=sum(prod(v.shape) for v in new if _counts(v)),
        trainable=sum(prod(v.shape) for v in new if v.trainable and _counts(v)),
        conv_macs=sum(cost.macs for cost in costs if cost.kind == CONVOLUTION),
        dense_macs=sum(cost.macs for cost in costs if cost.kind == DENSE),
        activations=sum(cost.outputs for cost in costs),
        uncounted=tuple(sorted({cost.uncounted for cost in costs if cost.uncounted})),
    )


def _counts(variable) -> bool:
    """Whether a variable is a parameter: the state of a random generator is none."""
    return "seed_generator_state" not in variable.path


@dataclass(frozen=True)
class Cost:
    """What one operation costs; `uncounted` is its type where that depends on the data."""

    kind: str = ""
    macs: int = 0
    outputs: int = 0
    uncounted: str = ""


NOTHING = Cost()
LOOPS = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")


def all_operations(made: list) -> Iterator:
    """The operations `made`, and those in the functions that they call."""
    for op in made:
        function = _called_function(op)
        if function is None:
            yield op
        else:
            yield from all_operations(function.get_operations())


def _called_function(op):
    """The graph of the function that an operation calls once, such as a compiled convolution."""
    if op.type not in ("PartitionedCall", "StatefulPartitionedCall"):
        return None
    return op.graph._get_function(op.get_attr("f").name).graph


def cost_of(op) -> Cost:
    """Return what a `tf.Operation` costs, whose shapes are of one example."""
    if op.type in LOOPS:
        return Cost(uncounted=op.type)
    if op.type not in COUNTED:
        return NOTHING
    kind, multiplied = COUNTED[op.type]
    try:
        outputs = prod(op.outputs[0].shape.as_list())
        return Cost(kind, multiplied(op, outputs), outputs)
    except (TypeError, ValueError):  # a shape that only the data tells
        return Cost(uncounted=op.type)


def _per_output(op, outputs: int) -> int:
    """Of a convolution: each number that it gives sums up a window of its channels."""
    *window, channels, _ = op.inputs[1].shape.as_list()
    return outputs * prod(window) * channels


def _depthwise(op, outputs: int) -> int:
    height, width, _, _ = op.inputs[1].shape.as_list()
    return outputs * height * width


def _per_input(op, _outputs: int) -> int:
    """Of a transposed convolution: each number that it takes is spread over a window."""
    *window, channels, _ = op.inputs[1].shape.as_list()
    return prod(op.inputs[2].shape.as_list()) * prod(window) * channels


def _matrices(transposed: str) -> Callable:
    def multiplied(op, outputs: int) -> int:
        rows, columns = op.inputs[0].shape.as_list()[-2:]
        return outputs * (rows if op.get_attr(transposed) else columns)

    return multiplied


def _einsum(op, _outputs: int) -> int:
    """Each combination of all axes that are named is one multiplication."""
    given, _, _ = op.get_attr("equation").decode().partition("->")
    sizes: dict[str, int] = {}
    for letters, tensor in zip(given.split(","), op.inputs, strict=True):
        shape = tensor.shape.as_list()
        if "." in letters:  # axes that are not named come first or last, and are alike in both
            raise ValueError(letters)
        sizes |= dict(zip(letters, shape, strict=True))
    return prod(sizes.values()) if len(op.inputs) > 1 else 0


# Operation of TensorFlow -> its kind, and its multiplications from it and the size of its output.
COUNTED: dict[str, tuple[str, Callable]] = {
    "Conv2D": (CONVOLUTION, _per_output),
    "Conv3D": (CONVOLUTION, _per_output),
    "DepthwiseConv2dNative": (CONVOLUTION, _depthwise),
    "Conv2DBackpropInput": (CONVOLUTION, _per_input),
    "Conv3DBackpropInputV2": (CONVOLUTION, _per_input),
    "MatMul": (DENSE, _matrices("transpose_a")),
    "BatchMatMulV2": (DENSE, _matrices("adj_x")),
    "BatchMatMulV3": (DENSE, _matrices("adj_x")),
    "Einsum": (DENSE, _einsum),
}
