"""What tf2onnx makes of a graph."""

import re
from collections.abc import Sequence

from export.formats.onnx.admission import every_graph
from export.lazy import need
from export.skeleton.graph import optimised, producer

GRAPPLER = ("constfold", "function", "dependency")  # passes that tf2onnx itself asks for


def from_graph(graph, skeleton, stand_ins: Sequence[str], opset: int):
    """Return the ONNX model of `graph`, a form of the skeleton's; `stand_ins` become its inputs.

    Does what tf2onnx's `from_graph_def` does, but with our `optimised`: that calls Grappler by
    itself, which makes up values for all weights, and freezes a graph that it drops again. And it
    copies the graph for each of its passes, in case one fails, which takes most of the time.
    """
    need("tf2onnx", to="writing ONNX")
    from tf2onnx import optimizer

    made = _converted(graph, skeleton, stand_ins, opset)
    try:
        made = optimizer.optimize_graph(made, catch_errors=False)
    except Exception:  # of one of its passes: once more, each on a copy, without those that fail
        made = optimizer.optimize_graph(_converted(graph, skeleton, stand_ins, opset))
    model = made.make_model(f"converted from {skeleton.name}")
    _name_constants(model.graph)
    _renumber(model.graph, {})
    return model


def _converted(graph, skeleton, stand_ins: Sequence[str], opset: int):
    """The graph of tf2onnx's own kind, before its passes."""
    import tensorflow as tf
    from tf2onnx import tfonnx

    given, made = (
        [f"{tensor.name}:0" for tensor in tensors]
        for tensors in (skeleton.contract.inputs, skeleton.contract.outputs)
    )
    inputs = [*given, *stand_ins]
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(optimised(graph, GRAPPLER, [*inputs, *made]), name="")
        return tfonnx.process_tf_graph(
            imported,
            continue_on_error=True,
            opset=opset,
            input_names=inputs,
            output_names=made,
            tensors_to_rename={name: producer(name) for name in (*given, *made)},
        )


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


def _name_constants(graph) -> None:
    """Call constants after the first node that reads them, and put them in that order.

    Of equal ones tf2onnx keeps any, and it lists them in any order, others in another process.
    """
    parts = [*every_graph(graph)]
    taken = {name for part in parts for node in part.node for name in (*node.input, *node.output)}
    ends = {value.name for value in (*graph.output, *graph.input)}
    held, names = {tensor.name for tensor in graph.initializer} - ends, {}
    for part in parts:
        for node in part.node:
            for at, name in enumerate(node.input):
                new = f"{node.name}/constant{at}"
                if name in held and name not in names and new not in taken:
                    names[name] = new
                    taken.add(new)
    for part in parts:
        for node in part.node:
            node.input[:] = [names.get(name, name) for name in node.input]
    order = {name: at for at, name in enumerate(names)}
    kept = sorted(graph.initializer, key=lambda tensor: order.get(tensor.name, -1))
    del graph.initializer[:]
    for tensor in kept:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = names.get(tensor.name, tensor.name)
