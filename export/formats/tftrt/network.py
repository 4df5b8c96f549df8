"""Open a TF-TRT artifact as a network that can be changed, its weights apart from its graph."""

from pathlib import Path

import tensorflow as tf

from export.formats.tftrt.native_segment import tensor_of, without_engines
from export.formats.tftrt.reading import read_tftrt
from export.networks.tensorflow import TensorFlowNetwork
from export.signatures import SIGNATURE
from export.skeleton.graph import make_placeholder
from export.skeleton.pour import marked


def open_network(folder: Path) -> TensorFlowNetwork:
    """The graph that TensorFlow runs without TensorRT, with the weights of the artifact."""
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
        held = tf.make_ndarray(tensor) if k is None else tensor_of(drained, k, tf.float32, shape)
        values[node.name] = tf.convert_to_tensor(held)
        prefix = next((f"{e}/" for e in engines if node.name.startswith(f"{e}/")), "")
        names[node.name] = node.name.removeprefix(prefix)
        make_placeholder(node, tf.float32, tf.TensorShape(shape))
    signature = meta_graph.signature_def[SIGNATURE]
    inputs, outputs = (
        {name: info.name for name, info in infos.items()}
        for infos in (signature.inputs, signature.outputs)
    )
    return TensorFlowNetwork(graph, inputs, outputs, values, names=names)
