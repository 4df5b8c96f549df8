"""Which axes of a kernel are its channels, told by the operation of the traced network."""

from export.skeleton.graph import producer

KERNELS = {
    "Conv2D": (-1,),
    "MatMul": (-1,),
    "BatchMatMulV2": (-1,),
    "DepthwiseConv2dNative": (-2, -1),
}
MOVES = ("ExpandDims", "Reshape", "Identity")  # of a kernel of one axis, or of groups


def channel_axes(skeleton) -> dict[str, tuple[int, ...]]:
    """Map the names of the weights that are kernels of `skeleton` to the axes of their channels.

    One that several operations take in different ways is none.
    """
    from export.skeleton.tracing import stand_in

    nodes = {node.name: node for node in skeleton.graph.node}
    names = {stand_in(index): weight.name for index, weight in enumerate(skeleton.weights)}
    found: dict[str, set] = {}
    for node in skeleton.graph.node:
        for at, source in enumerate(node.input):
            holder = producer(source)
            while holder not in names and nodes[holder].op in MOVES:
                holder = producer(nodes[holder].input[0])
            if holder in names and node.op not in MOVES:
                axes = KERNELS.get(node.op, ()) if at == 1 else ()
                found.setdefault(names[holder], set()).add(axes)
    return {name: axes for name, (axes, *more) in found.items() if axes and not more}
