"""Trace a model once, without its weights.

A skeleton is the TensorFlow graph of a network in which every weight is a stand-in: a placeholder
for tf2onnx, which folds what it can compute; a constant with one repeated value for TF-TRT, which
wants constants. Values are unique, or common-subexpression elimination would merge stand-ins.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import tensorflow as tf

from export.errors import ExportError
from export.skeleton.accepted import accept
from export.skeleton.fold import Weight, fold
from export.skeleton.forward import forward
from export.skeleton.graph import add_constant, all_nodes, copied, make_constant, optimised
from export.skeleton.input_range import InputRange, input_range
from export.skeleton.keras_graph import all_layers

IMAGE, LOGITS = "image", "logits"


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A traced network whose weights are placeholders named `stand_in(index)`."""

    name: str
    image: tuple[int, int, int]  # height, width, channels
    classes: int
    weights: tuple[Weight, ...]
    graph: object  # a GraphDef: image and stand-ins in, logits out
    takes: InputRange = InputRange()

    @property
    def weight_bytes(self) -> int:
        return sum(weight.bytes for weight in self.weights)


def stand_in(index: int) -> str:
    """Name of the placeholder that stands in for weight number `index`."""
    return f"weight_{index}"


def trace(model) -> Skeleton:
    """Fold `model` and trace it once, for images of a free batch size.

    Raises ValueError unless the model maps one float32 image to one row of logits.
    """
    image, classes = accept(model)
    if not all(layer.built for layer in all_layers(model)):
        model(np.zeros((1, *image), np.float32), training=False)  # some wait for their first call
    folded = fold(model)
    names = list(folded.weights)
    graph = _trace(model, folded, names, image)
    used = {source for node in graph.node for source in node.input}
    unused = [name for index, name in enumerate(names) if stand_in(index) not in used]
    _refuse_lost(folded, unused)
    if unused:  # kept by a layer but not part of inference, such as a running average
        names = [name for name in names if name not in unused]
        graph = _trace(model, folded, names, image)
    weights = tuple(folded.weights[name] for name in names)
    return Skeleton(
        name=model.name,
        image=image,
        classes=classes,
        weights=weights,
        graph=graph,
        takes=input_range(model, image),
    )


def _refuse_lost(folded, unused: list[str]) -> None:
    """Raise ExportError if a batch-norm was folded into a weight that nothing uses."""
    made = {name for names in folded.made.values() for name in names.values()}
    lost = [name for name in unused if name in made]
    if lost:
        raise ExportError(
            f"{lost[0]} holds a folded batch-norm and would be lost, so nothing was written; "
            "this is a fault of the exporter: please report it with the model's layers"
        )


def _trace(model, folded, names: list[str], image):
    """Return the graph of `model` with stand-ins for the weights called `names`, simplified."""
    specs = [
        tf.TensorSpec(folded.weights[name].shape, tf.float32, name=stand_in(index))
        for index, name in enumerate(names)
    ]

    @tf.function(autograph=False)
    def network(image, stand_ins):
        unused = {n: tf.zeros(w.shape) for n, w in folded.weights.items() if n not in names}
        named = dict(zip(names, stand_ins, strict=True)) | unused
        return {LOGITS: tf.identity(forward(model, folded, image, named), name=LOGITS)}

    image_spec = tf.TensorSpec((None, *image), tf.float32, name=IMAGE)
    function = network.get_concrete_function(image_spec, specs)
    kept = [IMAGE, LOGITS, *(spec.name for spec in specs)]
    graph = function.graph.as_graph_def()
    _keep_captured(graph, function.graph.captures)
    _without_compilation(graph)
    _keep_loops(graph)
    return _with_own_functions(_plain(_simplify(graph, kept)))


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


def _without_compilation(graph) -> None:
    """Allow inlining of functions that Keras marks for XLA, which servers have switched off."""
    for holder in (*graph.node, *graph.library.function):
        for name in ("_XlaMustCompile", "_noinline"):
            holder.attr.pop(name, None)


def _keep_loops(graph) -> None:
    """Keep loops and branches as calls, because functions of a SavedModel hold no other kind."""
    for node in all_nodes(graph):
        node.attr.pop("_lower_using_switch_merge", None)


def _plain(graph):
    """Replace operations that converters do not know by others: erfc(x) = 1 - erf(x)."""
    plain = type(graph)(versions=graph.versions, library=graph.library)
    for node in graph.node:
        made = plain.node.add()
        made.CopyFrom(node)
        if node.op == "Erfc":
            made.name, made.op = f"{node.name}/erf", "Erf"
            one = add_constant(plain, f"{node.name}/one", 1.0, node.attr["T"].type)
            rest = plain.node.add(name=node.name, op="Sub", input=[one, made.name])
            rest.attr["T"].CopyFrom(node.attr["T"])
    return plain


def _with_own_functions(graph):
    """Name functions by what is in them.

    Grappler changed these functions, but TensorFlow still has the originals registered under the
    same names, and refuses duplicates.
    """
    functions = {function.signature.name: function for function in graph.library.function}

    @cache
    def renamed(name: str):
        function = functions[name]
        function.signature.name = ""
        for called in _called(function.node_def):
            called.name = renamed(called.name).signature.name
        content = hashlib.sha256(function.SerializeToString(deterministic=True)).hexdigest()
        function.signature.name = f"{name.rpartition('_')[0]}_{content[:16]}"
        return function

    for called in _called(graph.node):
        called.name = renamed(called.name).signature.name
    own = {function.signature.name: function for function in map(renamed, functions)}
    plain = type(graph)(versions=graph.versions)
    plain.node.extend(graph.node)
    plain.library.function.extend(own[name] for name in sorted(own))
    return plain


def grouped_convolutions(skeleton: Skeleton) -> list[str]:
    """Return the names of the convolutions in groups."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(skeleton.graph, name="")
    found = (op for op in graph.get_operations() if op.type == "Conv2D")
    return [op.name for op in found if op.inputs[0].shape[-1] != op.inputs[1].shape[-2]]


def _called(nodes):
    """Yield every attribute of `nodes` that names a function."""
    for node in nodes:
        for attribute in node.attr.values():
            yield from [attribute.func] if attribute.HasField("func") else attribute.list.func


def run_skeleton(skeleton: Skeleton, image, weights) -> dict:
    """Import the network, with tensors as its `weights`, into the graph that is being traced."""
    tensors = {f"{stand_in(index)}:0": tensor for index, tensor in enumerate(weights)}
    graph = tf.compat.v1.GraphDef(versions=skeleton.graph.versions)
    graph.library.CopyFrom(skeleton.graph.library)
    graph.node.extend(node for node in skeleton.graph.node if node.op != "Placeholder")
    (logits,) = tf.graph_util.import_graph_def(
        graph, {f"{IMAGE}:0": image, **tensors}, [f"{LOGITS}:0"], name=""
    )
    return {LOGITS: logits}


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
