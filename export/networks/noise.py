"""A network's own numerical noise: how far its logits move though nothing is wrong.

Bounds are multiples of it. In 32 bits, sums are made in another order: the channels that a
convolution or a dense layer adds up are shuffled, which changes nothing else; batches of inputs
take turns at several such orders. In 16 bits, weights and activations are rounded to float16 and
everything is added up in float32. In 8 bits, kernels are rounded to 255 levels a channel and what
they are applied to to 256 levels between its extremes; NaN where a kernel is applied in a way that
is not simulated.
"""

import math
from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np
import tensorflow as tf

from export.child import in_a_line
from export.contract import Batch, part, rows
from export.networks.base import only
from export.networks.known import kept
from export.networks.layers import layer_scopes, layer_tensors
from export.networks.moving import Base, Ends
from export.networks.tensorflow import TensorFlowNetwork
from export.observe.noise import KINDS, LayerNoise, Noise, NoiseError
from export.observe.probes import COUNT
from export.skeleton.graph import add_constant, copied, make_placeholder, producer
from export.skeleton.tracing import as_tensor, stand_in

SHUFFLES = 2  # orders of sums
AT_ONCE = 2  # inputs a run, because what layers give may be kept
MOST = 8 * COUNT  # inputs: all probes, and of those that a user gives as many as time allows
# Runtimes merge these with what goes into them, and keep that in 32 bits.
FUSED = ("BiasAdd", "Relu", "LeakyRelu", "Relu6")
LOOKUPS = ("GatherV2", "ResourceGather")  # rows of a table, which nothing adds up
KERNELS = ("Conv2D", "MatMul", "DepthwiseConv2dNative")
# What TensorFlow raises, and what is raised of a graph that it does not take.
DOES_NOT_RUN = (tf.errors.OpError, ValueError)


def measure_noise(
    skeleton,
    inputs: Batch,
    layers=(),
    norms=(),
    kinds: Iterable[str] = KINDS,
    exact: Container[str] = (),
    outputs: Batch | None = None,
) -> Noise:
    """Measure the noise of a traced network on `inputs`, at most MOST; of layers, on the first.

    `layers` are the names of Keras layers, in running order, whose noise of fewer bits is measured
    one by one; `layers_moved` measures that of 32. Only noise of `kinds` is measured; the others
    are NaN. Layers in `exact` are not rounded to float16. `outputs` are the model's own, run
    AT_ONCE inputs at a time: if a traced network without branches and loops gives the first of them
    to the bit, the others are taken for its own too, unless noise of fewer bits is measured. Raises
    NoiseError, in one line, where a changed network does not run, or `moving.STOP` is set.
    """
    try:
        return _measure(skeleton, inputs, layers, norms, frozenset(kinds), exact, outputs)
    except DOES_NOT_RUN as error:
        raise NoiseError(in_a_line(error)) from error


def _measure(skeleton, inputs: Batch, layers, norms, kinds, exact, outputs) -> Noise:
    network, ends = skeleton_network(skeleton), Ends.of(skeleton)
    batches, of_model = _in_batches(inputs), _in_batches(outputs or {})
    run = network.function(ends.tensors)
    traced = [ends.among(run(batches[0]))]
    # Formats of fewer bits compare the traced network with the model on every input.
    alike = kinds == {"fp32"} and not network.graph.library.function
    if not (alike and of_model and _are_equal(traced[0], of_model[0])):
        traced += [ends.among(run(batch)) for batch in batches[1:]]
        of_model = traced
    base = Base(network=network, ends=ends, batches=batches, outputs=of_model)
    moved, places = {"fp32": _largest_moves(base)} if "fp32" in kinds else {}, {}
    if kinds - {"fp32"}:
        scopes = layer_scopes(layers, norms)
        places = layer_tensors(scopes, network.tensors(), only(network.outputs))
        tensors = [one for one in dict.fromkeys(places.values()) if one not in ends.tensors]
        apart = tuple(f"{path}/" for name, path in scopes.items() if name in exact)
        moved |= _rounded(base, tensors, kinds, apart)
    layers = tuple(_moves(name, moved, tensor) for name, tensor in places.items())
    outputs = tuple(_moves(name, moved, f"{name}:0") for name in ends.names)
    worst = (_worst(getattr(one, kind) for one in outputs) for kind in KINDS)
    return Noise(*worst, layers, outputs=outputs, traced=ends.joined(traced))


def _rounded(
    base: Base, tensors: list[str], kinds: Container[str], apart: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """How far outputs and `tensors` move where numbers are rounded, by kind of noise.

    Scopes `apart` are not rounded to float16.
    """
    network, every, moved = base.network, range(len(base.batches)), {}
    eight_bits = "int8" in kinds and not _beyond(network)
    kernels = [node for node in network.graph.node if eight_bits and node.op in KERNELS]
    graph, extremes = _with_extremes(network, kernels)
    found = network.function([*tensors, *extremes], graph)(base.batches[0])
    values, numbers = found[: len(tensors)], found[len(tensors) :]
    del found  # `values` are let go of when they are in files
    with kept(values) as known:
        base = replace(base, tensors=tensors, known=known)
        if "fp16" in kinds:
            moved["fp16"] = base.moved(halved(network, apart), [({}, every)])
        if eight_bits:
            spans = _spans(kernels, numbers)
            moved["int8"] = base.moved(_quantised(network, spans), [({}, every[:1])])
    return moved


def _moves(name: str, moved: dict[str, dict[str, float]], tensor: str) -> LayerNoise:
    """How far a tensor moved, for each kind of noise; NaN where that was not measured."""
    return LayerNoise(name, *(moved.get(kind, {}).get(tensor, math.nan) for kind in KINDS))


def layers_moved(network, scopes: dict[str, str], batch: Batch) -> dict[str, float]:
    """How far layers move when sums are made in other orders, by the layers' names.

    In standard deviations of their own outputs for `batch`, which is run as a whole; `scopes` are
    as `layer_scopes` gives them. Raises NoiseError as `measure_noise`.
    """
    try:
        places = layer_tensors(scopes, network.tensors(), only(network.outputs))
        tensors = list(dict.fromkeys(places.values()))
        with kept(list(network.function(tensors)(batch))) as known:
            how = {"tensors": tensors, "known": known, "batches": [batch], "outputs": [{}]}
            moved = _largest_moves(Base(network=network, ends=Ends([], {}), **how))
    except DOES_NOT_RUN as error:
        raise NoiseError(in_a_line(error)) from error
    return {name: moved[tensor] for name, tensor in places.items()}


def _largest_moves(base: Base) -> dict[str, float]:
    """How far tensors move in several orders of sums, at which batches take turns.

    A single batch is moved in each, and the larger difference counts.
    """
    (graph, channels), every = _shuffled(base.network), range(len(base.batches))
    turns = [(_orders(channels, n), every[n::SHUFFLES] or every) for n in range(SHUFFLES)]
    if len(every) >= SHUFFLES:
        return base.moved(graph, turns)
    moves = [base.moved(graph, [one]) for one in turns]
    return {tensor: max(one[tensor] for one in moves) for tensor in moves[0]}


def _in_batches(samples: Batch) -> list[Batch]:
    """Those that are measured, AT_ONCE at a time; none of an empty batch."""
    starts = range(0, min(rows(samples), MOST) if samples else 0, AT_ONCE)
    return [part(samples, slice(start, start + AT_ONCE)) for start in starts]


def _are_equal(own: Batch, outputs: Batch) -> bool:
    """Whether a network gave the model's outputs to the bit, and can be taken for it."""
    return all(np.array_equal(values, outputs[name]) for name, values in own.items())


def _worst(values: Iterable[float]) -> float:
    """The largest; NaN where there are none, or none was measured."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def skeleton_network(skeleton) -> TensorFlowNetwork:
    """Return the skeleton with its weights beside it, shared with Keras where it has them."""
    values, names = {}, {}
    for index, weight in enumerate(skeleton.weights):
        values[stand_in(index)] = as_tensor(weight)
        names[stand_in(index)] = weight.name
    graph, contract = copied(skeleton.graph), skeleton.contract
    inputs, outputs = (
        {tensor.name: f"{tensor.name}:0" for tensor in tensors}
        for tensors in (contract.inputs, contract.outputs)
    )
    return TensorFlowNetwork(graph, inputs, outputs, values, names=names)


def _with_extremes(network, kernels: list) -> tuple:
    """Return a graph that has the extremes of what each of `kernels`' nodes is applied to too.

    Beside it are their names, the least before the largest.
    """
    graph, extremes = copied(network.graph), []
    for node in kernels:
        add_constant(graph, f"{node.name}/all", np.int32(range(2 if node.op == "MatMul" else 4)))
        for op in ("Min", "Max"):
            inputs = [node.input[0], f"{node.name}/all"]
            made = graph.node.add(op=op, name=f"{node.name}/{op}", input=inputs)
            made.attr["T"].type, made.attr["Tidx"].type = FLOAT, INT
            extremes.append(made.name)
    return graph, extremes


def _spans(kernels: list, extremes: list[tf.Tensor]) -> dict[str, list[float]]:
    """The least and the largest number that each of `kernels`' nodes is applied to."""
    pairs = np.reshape([*map(np.asarray, extremes)], (-1, 2)).tolist()
    return {node.name: pair for node, pair in zip(kernels, pairs, strict=True)}


FLOAT, HALF, INT = (kind.as_datatype_enum for kind in (tf.float32, tf.float16, tf.int32))


def _shuffled(network):
    """Return a graph in which each kernel adds its channels up in the order that it is fed.

    Beside it are, by the node that applies it, how many channels a kernel adds up, and how many
    what it is applied to has.
    """
    graph, channels = copied(network.graph), {}
    for node in list(graph.node):
        if node.op not in ("Conv2D", "MatMul") or producer(node.input[1]) not in network.names:
            continue
        shape = network.values[producer(node.input[1])].shape
        # Where it is not known how many there are, there are no groups.
        channels[node.name] = shape[-2], network.shape(node.input[0])[-1] or shape[-2]
        for at, axis in ((0, len(shape) - 1), (1, len(shape) - 2)):
            order = graph.node.add(name=f"{node.name}/order{at}")
            make_placeholder(order, tf.int32, tf.TensorShape(channels[node.name][1 - at]))
            add_constant(graph, f"{node.name}/axis{at}", np.int32(axis))
            made = graph.node.add(
                op="GatherV2",
                name=f"{node.name}/shuffled{at}",
                input=[node.input[at], order.name, f"{node.name}/axis{at}"],
            )
            made.attr["Tparams"].type = FLOAT
            made.attr["Tindices"].type = made.attr["Taxis"].type = INT
            if at:
                made.input.append(f"^{node.name}/shuffled0")  # its turn
            node.input[at] = made.name
    return graph, channels


def _orders(channels: dict[str, tuple[int, int]], seed: int) -> dict[str, tf.Tensor]:
    """Return what to feed for an order of sums."""
    random, orders = np.random.RandomState(seed), {}
    for node, (added, given) in channels.items():
        order = random.permutation(added)
        starts = range(0, given, added)  # of groups of channels
        orders[f"{node}/order0"] = tf.constant(
            np.concatenate([start + order for start in starts]), tf.int32
        )
        orders[f"{node}/order1"] = tf.constant(order, tf.int32)
    return orders


def halved(network, apart: tuple[str, ...] = ()):
    """The graph with weights and activations rounded to float16, but in the scopes `apart`."""
    graph = copied(network.graph)
    takers = {}
    for node in graph.node:
        for source in node.input:
            takers.setdefault(producer(source), []).append(node)
    for node in [n for n in graph.node if not n.name.startswith(apart or ("\0",))]:
        turn = _turn(network, node)  # before its inputs are others: LoRA multiplies two weights
        for at, source in enumerate(node.input):
            if producer(source) in network.names:
                node.input[at] = _through_half(graph, f"{node.name}/half{at}", source, turn)
        alone = takers.get(node.name, ())
        if network.is_float(node.name) and not (len(alone) == 1 and alone[0].op in FUSED):
            name, node.name = node.name, f"{node.name}/exact"
            _through_half(graph, name, node.name)
    for node in list(graph.node):  # the inputs themselves
        for at, source in enumerate(node.input):
            if network.is_float_input(source):
                name = f"{node.name}/{producer(source)}{at}"
                node.input[at] = _through_half(graph, name, source)
    return graph


def _turn(network, node) -> list[str]:
    """Return control inputs that hold work on a weight back until it is the node's turn.

    Without it all weights are copied at once, when the graph starts. A bias must not wait for the
    convolution before it: oneDNN merges the two, and the result would wait for itself.
    """
    if not node.input:
        return []
    first = producer(node.input[0])
    waits = node.op not in FUSED and network.nodes[first].op != "Placeholder"
    return [f"^{first}"] if waits else []


def _through_half(graph, name: str, source: str, turn: list[str] = ()) -> str:
    down = graph.node.add(op="Cast", name=f"{name}/down", input=[source, *turn])
    down.attr["SrcT"].type, down.attr["DstT"].type = FLOAT, HALF
    up = graph.node.add(op="Cast", name=name, input=[down.name])
    up.attr["SrcT"].type, up.attr["DstT"].type = HALF, FLOAT
    return name


def _beyond(network) -> bool:
    """Tell whether kernels are applied by operations that are not simulated in 8 bits here."""
    for node in network.graph.node:
        kernels = [
            source
            for source in map(producer, node.input)
            if source in network.names and len(network.values[source].shape) > 1
        ]
        if kernels and node.op not in (*KERNELS, *LOOKUPS):
            return True
    return False


def _quantised(network, spans: dict[str, list[float]]):
    """Return a graph in which kernels, and what they are applied to, are rounded to 8 bits."""
    graph = copied(network.graph)
    for node in list(graph.node):
        if node.op not in KERNELS:
            continue
        low, high = spans[node.name]
        turn = _turn(network, node)
        span = min(low, 0.0), max(high, 0.0)
        _fake_quantised(graph, node, 0, span, "FakeQuantWithMinMaxVars")
        holder = producer(node.input[1])
        if holder in network.names and node.op != "DepthwiseConv2dNative":
            values = network.values[holder]
            most = tf.reduce_max(tf.abs(values), axis=range(len(values.shape) - 1)).numpy()
            most = np.maximum(most, np.finfo(np.float32).tiny)
            span = -most, most
            _fake_quantised(graph, node, 1, span, "FakeQuantWithMinMaxVarsPerChannel", turn)
    return graph


def _fake_quantised(graph, node, at: int, span: tuple, op: str, turn: list[str] = ()) -> None:
    name = f"{node.name}/eight{at}"
    add_constant(graph, f"{name}/low", np.float32(span[0]))
    add_constant(graph, f"{name}/high", np.float32(span[1]))
    inputs = [node.input[at], f"{name}/low", f"{name}/high", *turn]
    made = graph.node.add(op=op, name=name, input=inputs)
    made.attr["num_bits"].i, made.attr["narrow_range"].b = 8, bool(at)
    node.input[at] = name
