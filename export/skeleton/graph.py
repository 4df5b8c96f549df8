"""Chores on a TensorFlow GraphDef: nodes, copies, constants, and the passes of Grappler."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache

BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def all_nodes(graph) -> Iterator:
    """Yield every node of a GraphDef, and then those of the functions in its library."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def producer(source: str) -> str:
    """The node behind an input of a node: `^a`, `a`, `a:1` and `a:output:0` are all from `a`."""
    return source.removeprefix("^").partition(":")[0]


def copied(message):
    """Return a copy of a protobuf message that can be changed without changing the message."""
    return type(message).FromString(message.SerializeToString())


def needed(graph, kept: Iterable[str]):
    """Return the nodes of a GraphDef that the nodes `kept` need, in its order, and its library."""
    nodes, found, todo = {node.name: node for node in graph.node}, set(), list(kept)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += map(producer, nodes[name].input)
    made = type(graph)(versions=graph.versions, library=graph.library)
    made.node.extend(node for node in graph.node if node.name in found)
    return made


def make_placeholder(node, dtype, shape) -> None:
    """Turn `node` into a placeholder of a `tf.DType` and a `tf.TensorShape`; it keeps its name."""
    name = node.name
    node.Clear()
    node.op, node.name = "Placeholder", name
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(shape.as_proto())


def make_constant(node, value, dtype=None) -> None:
    """Turn `node` into a constant with `value`, an array or a number; it keeps its name."""
    import tensorflow as tf

    name, tensor = node.name, tf.make_tensor_proto(value, dtype)
    node.Clear()
    node.op, node.name = "Const", name
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)


def add_constant(graph, name: str, value, dtype=None) -> str:
    """Add a constant called `name` to `graph`, and return that name."""
    make_constant(graph.node.add(name=name), value, dtype)
    return name


def with_own_functions(graph):
    """Return `graph` with its functions named by what is in them; it is changed itself.

    TensorFlow knows one function of a name in each process, and there may be others: originals of
    what Grappler has changed, or those of another artifact of the same network.
    """
    functions = {function.signature.name: function for function in graph.library.function}

    @cache
    def renamed(name: str):
        function = functions[name]
        function.signature.name = ""
        rename(function.node_def)
        content = hashlib.sha256(function.SerializeToString(deterministic=True)).hexdigest()
        function.signature.name = f"{name.rpartition('_')[0]}_{content[:16]}"
        return function

    def rename(nodes) -> None:
        for node in nodes:
            if node.op in functions:
                node.op = renamed(node.op).signature.name
        for called in _called(nodes):
            if called.name in functions:
                called.name = renamed(called.name).signature.name

    rename(graph.node)
    own = {function.signature.name: function for function in map(renamed, functions)}
    plain = type(graph)(versions=graph.versions)
    plain.node.extend(graph.node)
    plain.library.function.extend(own[name] for name in sorted(own))
    return plain


def _called(nodes):
    """Yield every attribute of `nodes` that names a function."""
    for node in nodes:
        for attribute in node.attr.values():
            yield from [attribute.func] if attribute.HasField("func") else attribute.list.func


def optimised(graph, passes: Iterable[str], kept: Iterable[str]):
    """Return `graph` after Grappler's `passes`, such as "constfold".

    The tensors in `kept`, such as "logits:0", are still there; nodes that none needs may be gone.
    """
    return _with_placeholders(_grappled(_without_placeholders(graph), passes, kept))


UNFED = "ImmutableConst"  # of a known shape, and what it holds is never looked at


def _without_placeholders(graph):
    """Return a copy of `graph` in which placeholders of known shape are UNFED.

    Grappler makes up a value for each placeholder before it begins: all weights, once more.
    """
    plain = copied(graph)
    for node in plain.node:
        if node.op != "Placeholder":
            continue
        shape = node.attr["shape"].shape
        if shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
            continue
        node.op = UNFED
        node.attr["memory_region_name"].s = b""
    return plain


def _with_placeholders(graph):
    """Turn what was UNFED back into placeholders."""
    for node in graph.node:
        if node.op == UNFED:
            node.op = "Placeholder"
            del node.attr["memory_region_name"]
    return graph


def _grappled(graph, passes: Iterable[str], kept: Iterable[str]):
    import tensorflow as tf
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow.python.grappler import tf_optimizer

    config = tf.compat.v1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers.extend(passes)
    options.min_graph_nodes = -1  # small graphs too
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph, graph=imported)
    fetches = meta_graph_pb2.CollectionDef()
    fetches.node_list.value.extend(kept)
    meta_graph.collection_def["train_op"].CopyFrom(fetches)
    return tf_optimizer.OptimizeGraph(config, meta_graph)
