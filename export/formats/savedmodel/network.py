"""Open a SavedModel as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import tensorflow as tf

from export.formats.savedmodel.reading import read_served, restored_tensor
from export.formats.subgraph import called
from export.networks.tensorflow import TensorFlowNetwork
from export.signatures import SIGNATURE
from export.skeleton.graph import copied, make_placeholder, optimised, producer

SERVED = "served_"  # begins what gives the outputs


def open_network(folder: Path) -> TensorFlowNetwork:
    """The graph that a server runs, its variables read from the checkpoint as a server does."""
    served = read_served(folder)
    signature = served.meta_graph.signature_def[SIGNATURE]
    graph, values, names = _inlined(served.part, signature), {}, {}
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op == "ReadVariableOp":
            handle = nodes[node.input[0]]
            while handle.op == "Identity":
                handle = nodes[handle.input[0]]
            value = restored_tensor(served, served.keys[handle.name], node.attr["dtype"].type)
            values[node.name], names[node.name] = value, served.name(handle.name)
            make_placeholder(node, value.dtype, value.shape)
    for info in signature.inputs.values():
        if producer(info.name) in nodes:
            holder, shape = nodes[producer(info.name)], tf.TensorShape(info.tensor_shape)
            make_placeholder(holder, tf.as_dtype(info.dtype), shape)
    inputs = {name: info.name for name, info in signature.inputs.items()}
    outputs = {name: f"{SERVED}{name}:0" for name in signature.outputs}
    return TensorFlowNetwork(graph, inputs, outputs, values, names=names)


def _inlined(part, signature):
    """The graph behind a signature, without functions; the names of outputs begin with SERVED."""
    graph = copied(part)
    for node in graph.node:
        if node.op == "VarHandleOp":  # a call is put in line where it takes handles as arguments
            make_placeholder(node, tf.resource, tf.TensorShape([]))
    # A call is not put in line whose effects, such as reading variables, nobody waits for.
    calls = [f"^{node.name}" for node in graph.node if any(called(node))]
    kept = [info.name for info in signature.inputs.values()]
    for name, info in sorted(signature.outputs.items()):
        last = graph.node.add(op="Identity", name=f"{SERVED}{name}")  # nor one that is asked for
        last.input.extend([info.name.removesuffix(":0"), *calls])
        last.attr["T"].type = info.dtype
        kept.append(f"{last.name}:0")
    return optimised(graph, ["function", "pruning"], kept)
