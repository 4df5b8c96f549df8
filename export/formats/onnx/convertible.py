"""What tf2onnx can convert, asked of a traced network before any work on it."""

from export.lazy import need
from export.skeleton.graph import all_nodes

# Its rewriters take these out of a graph, so it has no conversion of each by itself.
REWRITTEN = frozenset(
    [
        "Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch", "MatrixSetDiag",
        "QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4",
        "TensorArrayReadV3", "TensorArrayScatterV3", "TensorArrayV3",
    ]
)  # fmt: skip


# These it converts to what ONNX Runtime does not take, or what computes something else.
BROKEN = ("ResizeArea", "ResizeBicubic")


def unconvertible(skeleton, format: str, opset: int) -> str:
    """Say which operation has no conversion, or which type ONNX lacks; empty where none does."""
    need("tf2onnx.tfonnx", to="writing ONNX")  # which registers all conversions
    from tf2onnx.handler import tf_op

    known = (REWRITTEN | tf_op.create_mapping(opset, {}).keys()) - set(BROKEN)
    for node in all_nodes(skeleton.graph):
        if node.op not in known and not node.op.startswith(("_Fused", "StatelessRandom")):
            return unknown(node.op, node.name, format)
        for kind in _kinds(node):
            return (
                f"{node.name} computes in {kind}, which ONNX of opset {opset} has not, so there is "
                f"no {format} of this network; export it before it is quantised, or choose another "
                "format"
            )
    return ""


def unknown(operation: str, node: str, format: str) -> str:
    """Say which operation has no conversion."""
    return (
        f"tf2onnx has no conversion of the operation {operation} of {node}, so there is no "
        f"{format} of this network; leave that out of it, or choose another format"
    )


def _kinds(node) -> list[str]:
    """Return the names of the types in the attributes of `node` that tf2onnx has no word for."""
    from tensorflow import as_dtype
    from tf2onnx.tf_utils import TF_TO_ONNX_DTYPE

    numbers = {value.type for value in node.attr.values() if value.WhichOneof("value") == "type"}
    kinds = map(as_dtype, sorted(numbers))
    return [kind.name for kind in kinds if kind not in TF_TO_ONNX_DTYPE]
