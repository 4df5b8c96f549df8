"""What no engine of TF-TRT 2.17 holds, asked of a traced network before any work on it."""

from export.skeleton.graph import all_nodes

# Operations that the pass left outside whatever was around them, and what they are to a user.
UNTAKEN = {
    "While": "loop",
    "StatelessWhile": "loop",
    "ResizeBilinear": "bilinear resizing",
    "SpaceToBatchND": "depthwise convolution with gaps",
    "LowerBound": "look-up",
    "MatrixBandPart": "causal mask",
}

READ = "export to onnx, which TensorRT reads itself"
INSTEAD = {"LowerBound": "export to savedmodel"}  # ONNX has no such operation either


def untaken(skeleton) -> str:
    """Say which operation of a traced network is in no engine; empty where none is known."""
    for node in all_nodes(skeleton.graph):
        if node.op in UNTAKEN:
            instead = INSTEAD.get(node.op, READ)
            return (
                f"TF-TRT takes no {UNTAKEN[node.op]} into an engine, and {skeleton.name} has one "
                f"at {node.name}; {instead}, or accept an engine for a part with "
                "--partial-engines"
            )
    return ""
