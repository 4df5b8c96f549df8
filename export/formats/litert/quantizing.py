"""Run LiteRT's quantizer over a model in which a kernel has one number for each channel.

It takes steps from those numbers and from ranges that it is given, and never sees a weight.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from export.calibration.names import scope_of
from export.errors import ExportError, PourError
from export.formats.base import Order
from export.formats.kept import ASKED, kept_layers, layer_of
from export.formats.litert.flatbuffer import OUTSIDE, operation, packed, text, unpacked
from export.formats.litert.steps import DEQUANTIZE, INT8, INT32, ROUNDED, bias_scale, is_rounded
from export.formats.litert.writing import Places
from export.lazy import need
from export.skeleton.keras_graph import scope
from export.skeleton.pour import Placement, follow
from export.skeleton.stores import STEPS, Quantised, scales_of

# The axis of channels of a kernel as LiteRT keeps it, by what takes it as its second input.
CHANNELS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}
FLOAT = 0  # TensorType.FLOAT32
FIXED = ("SOFTMAX", "LOGISTIC", "TANH")  # to LiteRT what they give has steps of its own
OWN_STEPS = "LiteRT rounds what it gives to steps that are not of its range"
UNABLE = "LiteRT's quantizer leaves what takes it in 32 bits"
PLACED = re.compile(r"^\d+\.\d+:")  # before a tensor's own name, while the quantizer has it
Spans = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Made:
    """A model in 8 bits without its weights, where they go, and which layers stayed as they were.

    `kept` says why, by the name of the layer.
    """

    model: object
    places: Places
    kept: Mapping[str, str]


def with_unique_names(model) -> None:
    """Tell tensors apart that are called alike, because steps are looked up by names."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    times = Counter(text(tensor.name) for tensor in tensors)
    seen: Counter = Counter()
    for tensor in tensors:
        name = text(tensor.name)
        seen[name] += 1
        if times[name] > 1 and seen[name] > 1:
            tensor.name = f"{name}#{seen[name]}"


def quantised(model, places: Places, spans: Spans, order: Order) -> Made:
    """The model in 8 bits, by the ranges `spans` of its activations.

    Raises ExportError for a layer that should be kept and is not there.
    """
    held = {number: place for number, place in places}
    apart = _kept_operators(model, held, order)
    thin = unpacked(packed(model))
    _narrow(thin, held, order.skeleton.weights)
    _mark_names(thin)
    made = _inside(_library(thin, spans, apart))
    _unmark_names(made)
    _name_outputs(made, model)
    own = _restored(made, held, order.skeleton.weights)
    return Made(made, own, _reasons(made, own, order))


def _kept_operators(model, held: Mapping[int, Placement], order: Order) -> list[str]:
    """Marked names of what operators give that stay in 32 bits: asked for, or of other weights."""
    found, there, ends = [], set(), _outputs(order)
    for at, graph in enumerate(model.subgraphs):
        for operator in graph.operators:
            names = _names(graph, operator, held, ends)
            asked = {path for path in order.keep if any(n.startswith(f"{path}/") for n in names)}
            there |= asked
            if asked or _takes_other_weights(model, graph, operator, held):
                found.append(f"{at}.{int(operator.outputs[0])}:")
    if missing := [path for path in order.keep if path not in there]:
        raise ExportError(
            f"no operation of the graph is of {missing[0]}; keep the layers beside it"
        )
    return found


def _outputs(order: Order) -> dict[str, str]:
    """The name within its layer of what an output of the network is, by the output's own."""
    outputs = {tensor.name for tensor in order.skeleton.contract.outputs}
    nodes = [node for node in order.skeleton.graph.node if node.name in outputs and node.input]
    return {node.name: node.input[0] for node in nodes}


def _names(graph, operator, held: Mapping[int, Placement], ends: Mapping[str, str]) -> list[str]:
    """Names within the layers that an operator is of: of what it gives, and of its weights.

    The converter names after the last layer what it made of several.
    """
    output = text(graph.tensors[operator.outputs[0]].name)
    buffers = [graph.tensors[number].buffer for number in operator.inputs if number >= 0]
    layers = [layer_of(held[buffer].tensor) for buffer in buffers if buffer in held]
    return [ends.get(output, output), *(f"{scope(layer)}/" for layer in layers)]


def _takes_other_weights(model, graph, operator, held: Mapping[int, Placement]) -> bool:
    """Whether an operator reads a weight that is no kernel by channel and no bias of one."""
    kernel = operation(model, operator) in CHANNELS
    return any(
        number >= 0 and graph.tensors[number].buffer in held and not (kernel and at in (1, 2))
        for at, number in enumerate(operator.inputs)
    )


def _narrow(model, held: Mapping[int, Placement], weights) -> None:
    """Give each kernel the largest number of each channel alone, and biases as they are."""
    for graph in model.subgraphs:
        for number, tensor in enumerate(graph.tensors):
            if tensor.buffer not in held:
                continue
            place, axis = held[tensor.buffer], _axis(model, graph, number)
            values = follow(place.steps, weights[place.index].read())
            if axis is not None:
                values = scales_of(values, (axis,)) * np.float32(STEPS["i1"])
            elif values.ndim > 1:
                values = np.zeros((1,) * values.ndim, np.float32)  # of what stays in 32 bits
            buffer = model.buffers[tensor.buffer]
            buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
            buffer.offset = buffer.size = 0
            tensor.shape = list(values.shape)


def _axis(model, graph, number: int) -> int | None:
    """The axis of channels of a kernel; None where it is none, or not for all that read it."""
    readers = [
        (operation(model, one), at)
        for one in graph.operators
        for at, name in enumerate(one.inputs)
        if name == number
    ]
    axes = {CHANNELS.get(kind) if at == 1 else None for kind, at in readers}
    return axes.pop() if len(axes) == 1 else None


def _mark_names(model) -> None:
    for at, graph in enumerate(model.subgraphs):
        for number, tensor in enumerate(graph.tensors):
            tensor.name = f"{at}.{number}:{text(tensor.name)}"


def _unmark_names(model) -> None:
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = PLACED.sub("", text(tensor.name))


def _name_outputs(made, model) -> None:
    """Give the outputs their names, which what is rounded before them has kept."""
    for graph, other in zip(made.subgraphs, model.subgraphs, strict=True):
        for number, own in zip(graph.outputs, other.outputs, strict=True):
            name = text(other.tensors[own].name)
            for tensor in graph.tensors:
                if text(tensor.name) == name:
                    tensor.name = f"{name}{ROUNDED}"
            graph.tensors[number].name = name
            graph.tensors[number].shapeSignature = other.tensors[own].shapeSignature


def _library(model, spans: Spans, apart: Iterable[str]) -> bytes:
    """What LiteRT's quantizer makes of the model; it leaves what gives tensors `apart` as it is.

    Its parts are called one by one, because `Quantizer.quantize` runs the model first, and kernels
    of one number for each channel fit no layer.
    """
    parts = (
        "qtyping",
        "algorithm_manager",
        "recipe_manager",
        "params_generator",
        "model_modifier",
        "utils.tfl_flatbuffer_utils",
    )
    types, algorithms, recipes, generator, modifier, buffers = (
        need(f"litert_quantizer.{part}", to="LiteRT in 8 bits") for part in parts
    )
    kinds, none = types.TFLOperationName, algorithms.AlgorithmName.NO_QUANTIZE
    recipe = recipes.RecipeManager()
    recipe.add_static_config(".*", kinds.ALL_SUPPORTED, 8, 8)
    for kind in ("INPUT", "OUTPUT", *FIXED):
        recipe.add_quantization_config(".*", getattr(kinds, kind), algorithm_key=none)
    for name in apart:
        recipe.add_quantization_config(
            f"^{re.escape(name)}", kinds.ALL_SUPPORTED, algorithm_key=none
        )
    whole = buffers.read_model(packed(model))
    steps = generator.ParamsGenerator(whole).generate_quantization_parameters(
        recipe, _ends(model, spans)
    )
    return bytes(modifier.ModelModifier(whole).modify_model(steps))


def _ends(model, spans: Spans) -> dict[str, dict]:
    """The ends of each activation's range, as the quantizer's own calibration gives them."""
    ends = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            span = spans.get(PLACED.sub("", text(tensor.name)))
            if span is not None:
                sides = (np.full((1,) * len(tensor.shape), end, np.float32) for end in span)
                ends[text(tensor.name)] = dict(zip(("min", "max"), sides, strict=True))
    return ends


def _inside(content: bytes):
    """The model in a flatbuffer, with what lies behind it in its buffers."""
    model = unpacked(content)
    for buffer in model.buffers:
        if buffer.offset >= OUTSIDE:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _restored(model, held: Mapping[int, Placement], weights) -> Places:
    """Give weights their own shapes and steps again; return where they go, and as what."""
    by_name = {place.tensor: place for place in held.values()}
    places = []
    for graph in model.subgraphs:
        tensors = [t for t in graph.tensors if text(t.name) in by_name]
        for tensor in sorted(tensors, key=lambda one: one.type == INT32):  # biases behind kernels
            place = by_name[text(tensor.name)]
            tensor.shape = np.asarray(place.shape, "<i4")
            buffer = model.buffers[tensor.buffer]
            buffer.data, buffer.offset, buffer.size = None, 0, 0
            if is_rounded(tensor):
                place = _in_steps(model, graph, tensor, place, weights)
            places.append((tensor.buffer, place))
    return places


def _in_steps(model, graph, tensor, place: Placement, weights) -> Placement:
    """Set the steps of a kernel, by its channels, or of a bias, by what its layer is given."""
    number = next(at for at, one in enumerate(graph.tensors) if one is tensor)
    values = follow(place.steps, weights[place.index].read())
    if tensor.type == INT8:
        axis = _axis(model, graph, number)
        scale = scales_of(values, (axis,))
        tensor.quantization.quantizedDimension = axis
    else:
        scale = bias_scale(graph, number)
        if scale is None:
            raise PourError(
                f"{place.tensor} is read in different steps; leave its layers in 32 bits"
            )
        if not (np.abs(values) / scale < STEPS["<i4"]).all():
            raise ExportError(
                f"{place.tensor} does not fit into the steps of its layer; leave that in 32 bits: "
                f"--keep-fp32 {layer_of(place.tensor)}"
            )
    flat = scale.reshape(-1)
    tensor.quantization.scale = flat.astype("<f4")
    tensor.quantization.zeroPoint = np.zeros(len(flat), "<i8")
    return replace(place, store=Quantised("i1" if tensor.type == INT8 else "<i4", scale))


def _reasons(model, places: Places, order: Order) -> dict[str, str]:
    """Why a kernel, or what else has two axes and more, stays in 32 bits, by its layer."""
    reasons = kept_layers(order, order.keep, ASKED)
    for _, place in places:
        layer = layer_of(place.tensor)
        axes = len(order.skeleton.weights[place.index].shape)
        exact = axes > 1 and not isinstance(place.store, Quantised)
        if exact and scope(layer) not in reasons:
            reasons[layer] = UNABLE
    known = {scope(layer) for layer in reasons}
    stored = {scope(layer_of(place.tensor)) for _, place in places} - known
    return reasons | _left_in_floats(model, known, stored)


def _left_in_floats(model, known: set[str], stored: set[str]) -> dict[str, str]:
    """Why operations give floats, by their layers but those `known`; an output is to be floats.

    In a layer that has its weights `stored` in 8 bits the operation is named, not the layer.
    """
    main, found = model.subgraphs[0], {}
    ends = {int(number) for number in main.outputs}
    for operator in main.operators:
        kind, number = operation(model, operator), int(operator.outputs[0])
        output = main.tensors[number]
        layer = scope_of(text(output.name))
        if output.type != FLOAT or number in ends or kind == DEQUANTIZE or layer in known:
            continue
        name = text(output.name) if layer in stored else layer
        if name:
            found[name] = OWN_STEPS if kind in FIXED else UNABLE
    return found
