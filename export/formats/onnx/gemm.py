"""A product of matrices and the bias behind it as one Gemm, which quantizers take for a layer."""

from collections import Counter


def join_biases(model) -> None:
    """Turn MatMul by a weight, then Add of a bias, into a Gemm where the input has two axes."""
    import onnx

    graph = model.graph
    found = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        v.name: [dim.dim_value for dim in v.type.tensor_type.shape.dim]
        for v in (*found.value_info, *found.input, *found.output)
    }
    weights = {value.name for value in graph.input}
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    products = {node.output[0]: node for node in graph.node if node.op_type == "MatMul"}
    for node in [n for n in graph.node if n.op_type == "Add"]:
        source, bias = node.input
        if source not in products:
            source, bias = bias, source
        product = products.get(source)
        if (
            product is not None
            and uses[source] == 1
            and bias in weights
            and product.input[1] in weights
            and len(shapes[bias]) == 1
            and len(shapes.get(product.input[0], ())) == 2
        ):
            product.op_type = "Gemm"
            product.input.append(bias)
            product.output[0] = node.output[0]
            graph.node.remove(node)
