"""Open an artifact as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import numpy as np

from export.errors import ArtifactError
from export.gate.network import Network
from export.pour import drain, marked


def open_network(format_name: str, folder: Path) -> Network:
    """The artifact in `folder` as a network; raise ArtifactError where it cannot be one."""
    try:
        return OPENERS[format_name](folder)
    except ArtifactError:
        raise
    except Exception as error:  # whatever the damage, or another maker's graph, leads to
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ArtifactError(f"{folder} does not open as a graph to change: {why}") from error


def _onnx(folder: Path) -> Network:
    from export.gate.onnx import open_onnx

    return open_onnx(folder)


def _savedmodel(folder: Path) -> Network:
    import tensorflow as tf

    from export.formats.savedmodel import SIGNATURE, VERSION
    from export.gate.tensorflow import TensorFlowNetwork

    loaded = tf.saved_model.load(folder / VERSION)
    signature = loaded.signatures[SIGNATURE]
    weights = {id(variable.handle): name for name, variable in loaded.weights.items()}
    captured = {inner.op.name: weights[id(outer)] for outer, inner in signature.graph.captures}
    graph, values, names = _inlined(signature), {}, {}
    for node in graph.node:
        if node.op == "ReadVariableOp":
            name = captured[node.input[0]]
            variable = loaded.weights[name]
            values[node.name], names[node.name] = tf.convert_to_tensor(variable), name
            _make_placeholder(node, variable.dtype, variable.shape)
    (image,), (logits,) = signature.inputs[:1], signature.outputs
    held = next(node for node in graph.node if node.name == image.op.name)
    _make_placeholder(held, image.dtype, signature.structured_input_signature[1]["image"].shape)
    return TensorFlowNetwork(graph, image.name, logits.name, values, names)


def _inlined(signature):
    """The graph of a signature, without functions."""
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow.python.grappler import tf_optimizer

    config = tf.compat.v1.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.optimizers.extend(["function", "pruning"])
    rewrite.min_graph_nodes = -1  # small graphs too
    meta_graph = tf.compat.v1.train.export_meta_graph(
        graph_def=signature.graph.as_graph_def(), graph=signature.graph
    )
    fetches = meta_graph_pb2.CollectionDef()
    fetches.node_list.value.extend(t.name for t in (*signature.inputs, *signature.outputs))
    meta_graph.collection_def["train_op"].CopyFrom(fetches)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _tftrt(folder: Path) -> Network:
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    from export.formats.native_segment import without_engines
    from export.formats.tftrt import MODEL, SCHEMA, SIGNATURE
    from export.gate.tensorflow import TensorFlowNetwork

    drained = drain(folder / MODEL, SCHEMA)
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(drained.skeleton).meta_graphs
    engines = [n.name for n in meta_graph.graph_def.node if n.op == "TRTEngineOp"]
    graph, values, names = without_engines(meta_graph.graph_def), {}, {}
    for node in graph.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        k = marked(tensor.tensor_content) if tensor else None
        if tensor is None or tensor.dtype != tf.float32 or not tensor.tensor_shape.dim:
            if k is not None:  # indices, say, which are structure
                tensor.tensor_content = drained.content(k)
            continue
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        read = tf.make_ndarray(tensor) if k is None else drained.read(k)
        values[node.name] = tf.constant(np.reshape(read, shape))
        prefix = next((f"{e}/" for e in engines if node.name.startswith(f"{e}/")), "")
        names[node.name] = node.name.removeprefix(prefix)
        _make_placeholder(node, tf.float32, tf.TensorShape(shape))
    signature = meta_graph.signature_def[SIGNATURE]
    image, logits = signature.inputs["image"].name, signature.outputs["logits"].name
    return TensorFlowNetwork(graph, image, logits, values, names)


def _make_placeholder(node, dtype, shape) -> None:
    name = node.name
    node.Clear()
    node.op, node.name = "Placeholder", name
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(shape.as_proto())


OPENERS = {"onnx": _onnx, "savedmodel": _savedmodel, "tftrt-fp32": _tftrt, "tftrt-fp16": _tftrt}
