"""Open a SavedModel as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import tensorflow as tf

from export.formats.savedmodel.reading import checkpoint, read_served
from export.formats.subgraph import called
from export.networks.tensorflow import TensorFlowNetwork
from export.signatures import SIGNATURE
from export.skeleton.graph import copied, make_placeholder, optimised, producer

LOGITS = "served_logits"


def open_network(folder: Path) -> TensorFlowNetwork:
    """The graph that a server runs, its variables read from the checkpoint as a server does."""
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
    return TensorFlowNetwork(graph, image.name, f"{LOGITS}:0", values, names=names)


def _inlined(part, signature):
    """The graph behind a signature, without functions; its logits are called LOGITS."""
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
