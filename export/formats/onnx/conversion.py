"""What tf2onnx makes of a graph."""

import re
from collections.abc import Sequence

from export.lazy import need
from export.skeleton.graph import optimised, producer

GRAPPLER = ("constfold", "function", "dependency")  # passes that tf2onnx itself asks for


def from_graph(graph, skeleton, stand_ins: Sequence[str], opset: int):
    """Return the ONNX model of `graph`, a form of the skeleton's; `stand_ins` become its inputs.

    Does what tf2onnx's `from_graph_def` does, but with our `optimised`: that calls Grappler by
    itself, which makes up values for all weights, and freezes a graph that it drops again.
    """
    need("tf2onnx", to="writing ONNX")
    import tensorflow as tf
    from tf2onnx import optimizer, tfonnx

    given, made = (
        [f"{tensor.name}:0" for tensor in tensors]
        for tensors in (skeleton.contract.inputs, skeleton.contract.outputs)
    )
    inputs = [*given, *stand_ins]
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(optimised(graph, GRAPPLER, [*inputs, *made]), name="")
        converted = tfonnx.process_tf_graph(
            imported,
            continue_on_error=True,
            opset=opset,
            input_names=inputs,
            output_names=made,
            tensors_to_rename={name: producer(name) for name in (*given, *made)},
        )
        model = optimizer.optimize_graph(converted).make_model(f"converted from {skeleton.name}")
    _renumber(model.graph, {})
    return model


def _renumber(graph, numbers: dict[str, int]) -> None:
    """Number names such as Conv__52 from 0: tf2onnx counts over the life of the process."""

    def new(name: str) -> str:
        return re.sub(r"__(\d+)", lambda m: f"__{numbers.setdefault(m[1], len(numbers))}", name)

    for node in graph.node:
        node.name = new(node.name)
        node.input[:], node.output[:] = map(new, node.input), map(new, node.output)
        for attribute in node.attribute:
            for below in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():
                _renumber(below, numbers)
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = new(value.name)
