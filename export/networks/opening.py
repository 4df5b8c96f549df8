"""Open an artifact as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import numpy as np

from export.errors import ArtifactError
from export.formats.subgraph import called, producer
from export.networks.base import Network
from export.signatures import SIGNATURE
from export.skeleton.graph import copied, make_placeholder, optimised
from export.skeleton.pour import marked

LOGITS = "served_logits"


def open_network(format_name: str, folder: Path) -> Network:
    """The artifact in `folder` as a network; raise ArtifactError where it cannot be one."""
    try:
        return OPENERS[format_name](folder)
    except ArtifactError as error:
        raise ArtifactError(f"{folder} does not open: {error}") from error
    except Exception as error:  # whatever the damage, or another maker's graph, leads to
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ArtifactError(f"{folder} does not open as a graph to change: {why}") from error


def _onnx(folder: Path) -> Network:
    from export.networks.onnx import open_onnx

    return open_onnx(folder)


def _savedmodel(folder: Path) -> Network:
    """The graph that a server runs, its variables read from the checkpoint as a server does."""
    import tensorflow as tf

    from export.formats.savedmodel.reading import checkpoint, read_served
    from export.networks.tensorflow import TensorFlowNetwork

    served = read_served(folder)
    reader, signature = checkpoint(served), served.meta_graph.signature_def[SIGNATURE]
    image = signature.inputs["image"]
    graph, values, names = _inlined(served.part, signature), {}, {}
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op == "ReadVariableOp":
            handle = nodes[node.input[0]]
            while handle.op == "Identity":
                handle = nodes[handle.input[0]]
            value = tf.constant(reader.get_tensor(served.keys[handle.name]))
            values[node.name], names[node.name] = value, served.name(handle.name)
            make_placeholder(node, value.dtype, value.shape)
    make_placeholder(
        nodes[producer(image.name)], tf.as_dtype(image.dtype), tf.TensorShape(image.tensor_shape)
    )
    return TensorFlowNetwork(graph, image.name, f"{LOGITS}:0", values, names)


def _inlined(part, signature):
    """The graph behind a signature, without functions; its logits are called LOGITS."""
    import tensorflow as tf

    graph = copied(part)
    for node in graph.node:
        if node.op == "VarHandleOp":  # a call is put in line where it takes handles as arguments
            make_placeholder(node, tf.resource, tf.TensorShape([]))
    last = graph.node.add(op="Identity", name=LOGITS)  # a call whose result is asked for stays one
    logits = signature.outputs["logits"].name
    # Nor is one put in line whose effects, such as reading variables, nobody waits for.
    calls = [f"^{node.name}" for node in graph.node if any(called(node))]
    last.input.extend([logits.removesuffix(":0"), *calls])
    last.attr["T"].type = signature.outputs["logits"].dtype
    kept = [signature.inputs["image"].name, f"{LOGITS}:0"]
    return optimised(graph, ["function", "pruning"], kept)


def _tftrt(folder: Path) -> Network:
    import tensorflow as tf

    from export.formats.tftrt.native_segment import without_engines
    from export.formats.tftrt.reading import read_tftrt
    from export.networks.tensorflow import TensorFlowNetwork

    meta_graph, drained = read_tftrt(folder)
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
        make_placeholder(node, tf.float32, tf.TensorShape(shape))
    signature = meta_graph.signature_def[SIGNATURE]
    image, logits = signature.inputs["image"].name, signature.outputs["logits"].name
    return TensorFlowNetwork(graph, image, logits, values, names)


OPENERS = {"onnx": _onnx, "savedmodel": _savedmodel, "tftrt-fp32": _tftrt, "tftrt-fp16": _tftrt}
