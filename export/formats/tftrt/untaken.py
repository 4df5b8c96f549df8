"""What no engine of TF-TRT 2.17 holds, asked of a traced network before any work on it."""

from export.skeleton.graph import all_nodes, needed

# Operations that the pass left outside whatever was around them, and what they are to a user.
UNTAKEN = {
    "While": "loop",
    "StatelessWhile": "loop",
    "ResizeArea": "resizing by area",
    "ResizeBicubic": "bicubic resizing",
    "ResizeBilinear": "bilinear resizing",
    "ScaleAndTranslate": "resizing by a kernel",
    "Bucketize": "Discretization",
    "FFT": "Fourier transform",
    "RFFT": "Fourier transform",
    "SpaceToBatchND": "depthwise convolution with unequal gaps",
    "LowerBound": "look-up",
    "MatrixBandPart": "causal mask",
    "MirrorPad": "padding by reflection of sides of unknown length",
    "Conv3DBackpropInputV2": "transposed convolution of three axes",
}

READ = "export to onnx, which TensorRT reads itself"
# ONNX has no such operation either, or not always.
NOT_IN_ONNX = "LowerBound ResizeArea ResizeBicubic ScaleAndTranslate Bucketize FFT RFFT"
INSTEAD = dict.fromkeys(NOT_IN_ONNX.split(), "export to savedmodel")


def untaken(skeleton) -> str:
    """Say which operation of a traced network is in no engine; empty where none is known."""
    if not _first(skeleton.graph):
        return ""
    from export.formats.tftrt.preparation import prepare

    contract = skeleton.contract
    ends = [tensor.name for tensor in (*contract.inputs, *contract.outputs)]
    node = _first(needed(prepare(skeleton).graph, ends))
    if node is None:  # all of them can be written in another way
        return ""
    instead = INSTEAD.get(node.op, READ)
    return (
        f"TF-TRT takes no {UNTAKEN[node.op]} into an engine, and {skeleton.name} has one at "
        f"{node.name}; {instead}, or accept an engine for a part with --partial-engines"
    )


def _first(graph):
    """The first node of an operation that is in no engine, or None."""
    return next((node for node in all_nodes(graph) if node.op in UNTAKEN), None)
