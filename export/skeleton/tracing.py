"""Trace a model once, without its weights.

A skeleton is the TensorFlow graph of a network in which every weight is a stand-in: a placeholder
for tf2onnx, which folds what it can compute; a constant with one repeated value for TF-TRT, which
wants constants. Values are unique, or common-subexpression elimination would merge stand-ins.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf

from export.child import in_a_line
from export.contract import LOGITS, PROBABILITIES, Contract, Tensor
from export.endings import KINDS
from export.errors import ExportError
from export.skeleton.accepted import accept
from export.skeleton.fold import Weight, fold
from export.skeleton.forward import forward
from export.skeleton.graph import (
    copied,
    make_constant,
    optimised,
    producer,
    with_own_functions,
)
from export.skeleton.id_range import id_ranges
from export.skeleton.input_range import InputRange, input_range
from export.skeleton.keras_graph import all_layers, called_with
from export.skeleton.lookup import pools
from export.skeleton.substitutes import (
    keep_loops,
    plain_operations,
    without_compilation,
    without_updates,
)


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A traced network whose weights are placeholders named `stand_in(index)`."""

    name: str
    contract: Contract
    weights: tuple[Weight, ...]
    graph: object  # a GraphDef: inputs and stand-ins in, outputs out, by the names of the contract
    takes: InputRange = InputRange()  # of the picture, where there is one
    ids: dict[str, int] = field(default_factory=dict)  # of inputs: all ids are below this
    pools: dict[str, tuple] = field(default_factory=dict)  # of inputs: values to draw probes from
    endings: dict[str, str] = field(default_factory=dict)  # of outputs: see export/endings.py

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures that a classifier takes."""
        return self.contract.classifier.image

    @property
    def weight_bytes(self) -> int:
        return sum(weight.bytes for weight in self.weights)


def stand_in(index: int) -> str:
    """Name of the placeholder that stands in for weight number `index`."""
    return f"weight_{index}"


def trace(model) -> Skeleton:
    """Fold `model` and trace it once, for a free batch size.

    Raises ValueError for a model that cannot be exported.
    """
    contract = accept(model)
    if not all(layer.built for layer in all_layers(model)):  # some wait for their first call
        called_with(model, [_one(tensor) for tensor in contract.inputs])
    folded = fold(model)
    names = list(folded.weights)
    graph = _trace(model, folded, names, contract)
    used = {source for node in graph.node for source in node.input}
    unused = [name for index, name in enumerate(names) if stand_in(index) not in used]
    _refuse_lost(folded, unused)
    if unused:  # kept by a layer but not part of inference, such as a running average
        names = [name for name in names if name not in unused]
        graph = _trace(model, folded, names, contract)
    weights = tuple(folded.weights[name] for name in names)
    contract = _as_traced(graph, contract)
    own = outline(model, contract)
    endings = _endings(graph, contract)
    contract, endings = _probabilities(graph, contract, endings)
    return replace(own, contract=contract, weights=weights, graph=graph, endings=endings)


def outline(model, contract: Contract) -> Skeleton:
    """Return what probes are made for, without tracing: a Skeleton that has no graph."""
    return Skeleton(
        name=model.name,
        contract=contract,
        weights=(),
        graph=None,
        takes=_taken(model, contract),
        ids=id_ranges(model, contract),
        pools=pools(model, contract),
    )


ANY = 64  # values along a free axis, where one must be chosen


def _one(tensor: Tensor):
    """One sample, of zeros or empty texts; a free axis is ANY."""
    shape = (1, *(size or ANY for size in tensor.sizes))
    return tf.fill(shape, "") if tensor.dtype == "string" else np.zeros(shape, tensor.dtype)


def _taken(model, contract: Contract) -> InputRange:
    """The range of pictures, where they are all that the model takes."""
    (first, *more) = contract.inputs
    if more or len(first.shape) != 4 or None in first.sizes:
        return InputRange()
    return input_range(model, first.sizes)


def _as_traced(graph, contract: Contract) -> Contract:
    """Return the contract with lengths of outputs that a layer leaves open and the trace tells."""
    if not any(tensor.free for tensor in contract.outputs):
        return contract
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    outputs = []
    for tensor in contract.outputs:
        shape = imported.get_tensor_by_name(f"{tensor.name}:0").shape
        known = shape.as_list()[1:] if shape.rank == len(tensor.shape) else tensor.sizes
        pairs = zip(tensor.shape[1:], known, strict=True)
        sizes = (axis if size is None else size for axis, size in pairs)
        outputs.append(replace(tensor, shape=(tensor.shape[0], *sizes)))
    return replace(contract, outputs=tuple(outputs))


def _endings(graph, contract: Contract) -> dict[str, str]:
    """The softmax or sigmoid that each output ends in, where it does."""
    nodes, found = {node.name: node for node in graph.node}, {}
    for tensor in contract.outputs:
        node = nodes[tensor.name]
        while node.op == "Identity" and producer(node.input[0]) in nodes:
            node = nodes[producer(node.input[0])]
        if node.op in KINDS:
            found[tensor.name] = KINDS[node.op]
    return found


def _probabilities(graph, contract: Contract, endings: dict) -> tuple[Contract, dict]:
    """Call what is no logits by its name, in the graph too."""
    if not contract.classifier or LOGITS not in endings:
        return contract, endings
    node = next(node for node in graph.node if node.name == LOGITS)
    node.name = PROBABILITIES
    (output,) = contract.outputs
    made = replace(contract, outputs=(replace(output, name=PROBABILITIES),))
    return made, {PROBABILITIES: endings[LOGITS]}


def _refuse_lost(folded, unused: list[str]) -> None:
    """Raise ExportError if a batch-norm was folded into a weight that nothing uses."""
    made = {name for names in folded.made.values() for name in names.values()} - folded.spare
    lost = [name for name in unused if name in made]
    if lost:
        raise ExportError(
            f"{lost[0]} holds a folded batch-norm and would be lost, so nothing was written; "
            "this is a fault of the exporter: please report it with the model's layers"
        )


def _trace(model, folded, names: list[str], contract: Contract):
    """Return the graph of `model` with stand-ins for the weights called `names`, simplified."""
    specs = [
        tf.TensorSpec(folded.weights[name].shape, tf.float32, name=stand_in(index))
        for index, name in enumerate(names)
    ]
    given = [tf.TensorSpec((None, *t.sizes), t.dtype, name=t.name) for t in contract.inputs]
    ends = []

    @tf.function(autograph=False)
    def network(inputs, stand_ins):
        unused = {n: tf.zeros(w.shape) for n, w in folded.weights.items() if n not in names}
        named = dict(zip(names, stand_ins, strict=True)) | unused
        made = forward(model, folded, inputs, named)
        outputs = zip(contract.outputs, made, strict=True)
        ends[:] = [tf.identity(output, name=tensor.name) for tensor, output in outputs]
        return ends

    try:
        function = network.get_concrete_function(given, specs)
    except (AttributeError, TypeError, tf.errors.OpError) as error:  # of layers of a user's own
        raise ExportError(
            f"{model.name} cannot be traced for a batch of any size ({in_a_line(error)}); see "
            "whether a model like it runs as a tf.function whose batch is None"
        ) from error
    graph = function.graph.as_graph_def()
    _rename_ends(graph, ends, contract)
    _keep_captured(graph, function.graph.captures)
    without_compilation(graph)
    keep_loops(graph)
    tensors = (*contract.inputs, *contract.outputs, *specs)
    names = [tensor.name for tensor in tensors]
    graph = _simplify(graph, names)
    if without_updates(graph):
        graph = _simplify(graph, names)
    return with_own_functions(plain_operations(graph, names))


def _rename_ends(graph, ends: list, contract: Contract) -> None:
    """Name outputs by the contract where a layer has the name already; nothing reads them."""
    names = {end.op.name: t.name for end, t in zip(ends, contract.outputs, strict=True)}
    for node in graph.node:
        node.input[:] = [_renamed(source, names) for source in node.input]
        node.name = names.get(node.name, node.name)


def _renamed(source: str, names: dict[str, str]) -> str:
    name = producer(source)
    return source.replace(name, names[name], 1) if name in names else source


def _keep_captured(graph, captures) -> None:
    """Turn tensors that layers hold besides weights, such as large means, into constants."""
    captured = {inner.op.name: outer for outer, inner in captures}
    for node in graph.node:
        outer = captured.get(node.name)
        if outer is None:
            continue
        if outer.dtype == tf.resource:
            (reader, *_) = (n.name for n in graph.node if node.name in n.input)
            raise ValueError(
                f"{reader.partition('/')[0]} reads a variable that is not among its weights; keep "
                "it in a layer of a class, made by add_weight"
            )
        make_constant(node, outer.numpy())


def grouped_convolutions(skeleton: Skeleton) -> list[str]:
    """Return the names of the convolutions in groups."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(skeleton.graph, name="")
    found = (op for op in graph.get_operations() if op.type == "Conv2D")
    return [op.name for op in found if op.inputs[0].shape[-1] != op.inputs[1].shape[-2]]


def as_tensor(weight: Weight) -> tf.Tensor:
    """Return the values of a weight as a tensor, in Keras' own memory where it has them."""
    own = getattr(weight.variable, "value", None)
    return tf.convert_to_tensor(own if isinstance(own, tf.Variable) else weight.read())


def run_skeleton(skeleton: Skeleton, inputs: list, weights) -> dict:
    """Import the network, with tensors as its `weights`, into the graph that is being traced.

    `inputs` are tensors in the order of the contract; returns the outputs by name.
    """
    contract = skeleton.contract
    tensors = {f"{stand_in(index)}:0": tensor for index, tensor in enumerate(weights)}
    tensors |= {f"{t.name}:0": given for t, given in zip(contract.inputs, inputs, strict=True)}
    graph = tf.compat.v1.GraphDef(versions=skeleton.graph.versions)
    graph.library.CopyFrom(skeleton.graph.library)
    graph.node.extend(node for node in skeleton.graph.node if node.op != "Placeholder")
    names = [tensor.name for tensor in contract.outputs]
    made = tf.graph_util.import_graph_def(graph, tensors, [f"{name}:0" for name in names], name="")
    for tensor, output in zip(contract.outputs, made, strict=True):
        output.set_shape((None, *tensor.sizes))  # loops lose it
    return dict(zip(names, made, strict=True))


def _simplify(graph_def, kept: list[str]):
    """Inline functions and fold what is constant; weights are placeholders, so none is folded."""
    passes = ["function", "constfold", "dependency", "pruning"]
    return optimised(graph_def, passes, [f"{name}:0" for name in kept])


def with_constants(skeleton: Skeleton, values) -> object:
    """Return the graph with `values(index, weight)` in place of the placeholders of weights.

    `values` returns an array of the weight's shape, or a float, which is repeated and takes only
    four bytes.
    """
    graph = copied(skeleton.graph)
    number = {stand_in(index): index for index in range(len(skeleton.weights))}
    for node in graph.node:
        if node.name not in number:
            continue
        index = number[node.name]
        weight = skeleton.weights[index]
        content = values(index, weight)
        node.op = "Const"
        del node.attr["shape"]
        node.attr.pop("_user_specified_name", None)
        tensor = node.attr["value"].tensor
        if isinstance(content, float):
            tensor.dtype = tf.float32.as_datatype_enum
            tensor.tensor_shape.CopyFrom(tf.TensorShape(weight.shape).as_proto())
            tensor.float_val.append(content)
        else:
            tensor.CopyFrom(tf.make_tensor_proto(np.ascontiguousarray(content, np.float32)))
    return graph
