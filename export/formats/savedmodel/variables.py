"""Which tensor of its checkpoint each variable of a SavedModel gets when a server restores it.

A server runs the operation that saver_def names. What TensorFlow writes there is a function that
reads tensors from the checkpoint beside the graph and assigns each to one variable. Anything else
is refused, so that what is read from the checkpoint under those names is what is served.
"""

from pathlib import Path

from export.formats.admission import refused
from export.formats.operations import RESTORE, SAVE
from export.formats.subgraph import called, every_node
from export.skeleton.graph import producer

CALLING = ("PartitionedCall", "StatefulPartitionedCall")
STRING = 7  # DataType.DT_STRING


def restored(path: Path, meta_graph) -> dict[str, str]:
    """The checkpoint's key of each variable, by the name of the node that is its handle."""
    handles = _handles(path, meta_graph.graph_def)
    node, function = _saver_function(path, meta_graph, "restore")
    arguments = [argument.name for argument in function.signature.input_arg]
    if list(node.input[:1]) != [producer(meta_graph.saver_def.filename_tensor_name)]:
        raise refused(path, "restores its variables from elsewhere than the checkpoint beside it")
    given = dict(zip(arguments, node.input, strict=False))
    keys = {}
    for argument, key in _assigned(path, function, arguments[0]):
        if given.get(argument) not in handles or given[argument] in keys:
            raise refused(
                path, f"restores {given.get(argument)!r}, which is no variable of its own"
            )
        keys[given[argument]] = key
    lost = sorted(handles - keys.keys())
    if lost:
        raise refused(path, f"leaves its variable {lost[0]!r} without a value")
    return keys


def saver_functions(path: Path, meta_graph) -> dict[str, frozenset]:
    """The functions that save and restore, and what they may hold; nothing else may call them."""
    own = {}
    for kind, allowed in (("restore", RESTORE), ("save", SAVE)):
        own[_saver_function(path, meta_graph, kind)[1].signature.name] = allowed
    callers = [name for node, _ in every_node(meta_graph.graph_def) for name in called(node)]
    objects = meta_graph.object_graph_def.concrete_functions.keys()
    if len(own) != 2 or any(callers.count(name) != 1 or name in objects for name in own):
        raise refused(path, "saves or restores variables in more places than one")
    return own


def _handles(path: Path, graph) -> set[str]:
    """The nodes that stand for a variable each, no two for the same one."""
    handles = [node for node in graph.node if node.op == "VarHandleOp"]
    names = {(n.attr["container"].s if "container" in n.attr else b"", _shared(n)) for n in handles}
    if len(names) != len(handles):
        raise refused(path, "holds two nodes for one variable")
    return {node.name for node in handles}


def _shared(node) -> bytes:
    return (node.attr["shared_name"].s if "shared_name" in node.attr else b"") or node.name.encode()


def _saver_function(path: Path, meta_graph, kind: str):
    """The node that saver_def names for `kind`, save or restore, and the function it calls."""
    saver, graph = meta_graph.saver_def, meta_graph.graph_def
    name = saver.restore_op_name if kind == "restore" else producer(saver.save_tensor_name)
    nodes = {node.name: node for node in graph.node}
    library = {function.signature.name: function for function in graph.library.function}
    node, file = nodes.get(name), nodes.get(producer(saver.filename_tensor_name))
    if node is None or node.op not in CALLING or file is None or file.op != "Placeholder":
        raise refused(path, f"does not {kind} variables as TensorFlow does")
    (function, *more) = [*called(node), ""]
    if len(more) != 1 or function not in library:
        raise refused(path, f"does not {kind} variables with one function")
    return node, library[function]


def _assigned(path: Path, function, file: str):
    """(argument, key of the checkpoint) of each variable that the function assigns."""
    nodes = {node.name: node for node in function.node_def}
    for node in function.node_def:
        if node.op == "RestoreV2" and node.input[0] != file:
            raise refused(path, "restores its variables from elsewhere than its own checkpoint")
        if node.op != "AssignVariableOp":
            continue
        argument, source = node.input[:2]
        while producer(source) in nodes and nodes[producer(source)].op == "Identity":
            source = nodes[producer(source)].input[0]
        reader, _, port = source.partition(":tensors:")
        if reader not in nodes or nodes[reader].op != "RestoreV2" or not port.isdigit():
            raise refused(path, f"changes {argument!r} after it is read from the checkpoint")
        yield argument, _key(path, nodes, nodes[reader], int(port))


def _key(path: Path, nodes: dict, reader, index: int) -> str:
    """The name of the tensor that a RestoreV2 gives as its output number `index`, read whole."""
    names, slices = (_strings(nodes.get(producer(source))) for source in reader.input[1:3])
    if len(names) != len(slices) or index >= len(names) or slices[index]:
        raise refused(
            path, f"restores tensor number {index} of its checkpoint in part or not at all"
        )
    return names[index].decode(errors="replace")


def _strings(node) -> list[bytes]:
    """The values of a constant of strings; none where it is anything else."""
    if node is None or node.op != "Const" or "value" not in node.attr:
        return []
    tensor = node.attr["value"].tensor
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype != STRING or len(sizes) != 1:
        return []
    values = list(tensor.string_val)
    return values * sizes[0] if len(values) == 1 and 0 < sizes[0] < 1 << 20 else values
