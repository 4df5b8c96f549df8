"""Run a TF-TRT graph without TensorRT: each engine replaced by the segment it was made from.

An engine operation carries the native TensorFlow operations that it stands for, which TensorFlow
itself falls back on. Here they are put in its place, and the weights are read from the artifact and
fed, for TensorFlow's own loader takes 25 times the weights in memory.
"""

from functools import cache

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph

from export.errors import ArtifactError
from export.networks.sharing import room_for, shared
from export.skeleton.graph import make_placeholder
from export.skeleton.pour import marked


def native_segments(meta_graph, drained):
    """Return a function (signature, inputs) -> the signature's outputs, arrays by name.

    `drained` holds the weights' values; the graph holds marks in their place.
    """
    graph = without_engines(meta_graph.graph_def)
    names, weights = _take_weights_out(graph, drained)

    @cache
    def traced(signature: str):
        info = meta_graph.signature_def[signature]
        given = [info.inputs[name].name for name in sorted(info.inputs)]
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        tensor = wrapped.graph.as_graph_element
        return wrapped.prune(
            [tensor(name) for name in (*given, *names)],
            {name: tensor(output.name) for name, output in info.outputs.items()},
        )

    def run(signature: str, batch: dict) -> dict[str, np.ndarray]:
        given = [tf.constant(batch[name]) for name in sorted(batch)]
        made = traced(signature)(*given, *weights)
        return {name: tensor.numpy() for name, tensor in made.items()}

    return run


def without_engines(graph):
    """Return `graph` with the native segment of each TRTEngineOp in its place."""
    functions = {function.signature.name: function for function in graph.library.function}
    flat = tf.compat.v1.GraphDef(versions=graph.versions)
    segments = {n.attr["segment_func"].func.name for n in graph.node if n.op == "TRTEngineOp"}
    flat.library.function.extend(f for name, f in functions.items() if name not in segments)
    outputs = {}  # "engine:k" -> the tensor that takes its place
    for node in graph.node:
        if node.op != "TRTEngineOp":
            flat.node.add().CopyFrom(node)
            continue
        name = node.attr["segment_func"].func.name
        if name not in functions:
            raise ArtifactError(f"the engine {node.name} has lost its segment {name!r}")
        segment, tensors = function_def_to_graph.function_def_to_graph_def(functions[name])
        signature = functions[name].signature
        arguments = {
            argument.name: source
            for argument, source in zip(signature.input_arg, node.input, strict=False)
        }
        for inner in segment.node:
            made = flat.node.add()
            made.CopyFrom(inner)
            made.name = f"{node.name}/{inner.name}"
            if inner.name in arguments:
                made.Clear()
                made.name, made.op = f"{node.name}/{inner.name}", "Identity"
                made.input.append(arguments[inner.name])
                made.attr["T"].type = inner.attr["dtype"].type
            else:
                made.input[:] = [_inside(node.name, source) for source in inner.input]
        for k, output in enumerate(signature.output_arg):
            source = tensors[functions[name].ret[output.name]]
            outputs[node.name if k == 0 else f"{node.name}:{k}"] = f"{node.name}/{source}"
    waits = {f"^{node.name}" for node in graph.node if node.op == "TRTEngineOp"}  # for no effect
    for node in flat.node:
        sources = [source for source in node.input if source not in waits]
        node.input[:] = [outputs.get(source.removesuffix(":0"), source) for source in sources]
    return flat


def _inside(prefix: str, source: str) -> str:
    return f"^{prefix}/{source[1:]}" if source.startswith("^") else f"{prefix}/{source}"


def tensor_of(drained, k: int, dtype: tf.DType, shape: list[int]) -> tf.Tensor:
    """Return what is behind mark `k` as a tensor; a weight, which is float32, is held once."""
    if dtype == tf.float32:
        room = room_for(tuple(shape))
        drained.read_into(k, room)
        return shared(room)
    return tf.constant(drained.read(k, dtype.as_numpy_dtype).reshape(shape))


def _take_weights_out(graph, drained):
    """Turn constants whose values were drained into placeholders; return their names and values."""
    names, values = [], []
    for node in graph.node:
        if node.op != "Const":
            continue
        tensor = node.attr["value"].tensor
        k = marked(tensor.tensor_content)
        if k is None:
            continue
        dtype = tf.as_dtype(tensor.dtype)  # large indices are drained too
        shape = tf.TensorShape(tensor.tensor_shape)
        values.append(tensor_of(drained, k, dtype, shape.as_list()))
        make_placeholder(node, dtype, shape)
        names.append(f"{node.name}:0")
    return names, values
