"""Reads a SavedModel as a graph and values, without loading it.

Loading one runs what it holds for that: operations that set up tables, and may write files. Here
only what the serving signature needs is taken out of the graph, as data; its variables become
placeholders, and their values are read from the checkpoint beside it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2, trackable_object_graph_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow.python.grappler import tf_optimizer

from keras_nets.errors import SourceError

LARGEST = (2 << 30) - 1  # bytes of a protobuf message
SIGNATURE, TAG = "serving_default", "serve"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "If", "Case")
# What keeps a function apart from its callers, or tells shapes that are no longer true.
HINTS = ("_XlaMustCompile", "_noinline", "_output_shapes")
# Operations without a state that look at files all the same.
READ_FILES = ("ReadFile", "MatchingFiles", "ImmutableConst", "RestoreV2", "Restore", "RestoreSlice")


@dataclass(frozen=True, kw_only=True)
class SavedGraph:
    """A graph whose inputs and variables are placeholders.

    `inputs` and `outputs` are by the names of the signature.
    """

    graph: object  # a GraphDef
    inputs: dict[str, tf.TensorSpec]  # whose names are those of placeholders
    outputs: dict[str, str]  # -> names of tensors, such as "Add:0"
    variables: dict[str, str]  # placeholders -> keys of `values`
    values: dict[str, np.ndarray]


def read_graph(folder: Path) -> SavedGraph:
    """Read the serving signature of the SavedModel in `folder`.

    Raises SourceError where there is none, or where it needs what a graph of values cannot be.
    """
    meta = _meta_graph(folder / "saved_model.pb")
    signature = meta.signature_def.get(SIGNATURE) if SIGNATURE in meta.signature_def else None
    if signature is None or not signature.inputs or not signature.outputs:
        raise SourceError(
            f"{folder} has no signature {SIGNATURE!r} with inputs and outputs; it has "
            f"{', '.join(map(repr, sorted(meta.signature_def)[:10])) or 'none'}"
        )
    inputs = {name: _spec(info) for name, info in sorted(signature.inputs.items())}
    outputs = {name: info.name for name, info in sorted(signature.outputs.items())}
    with _checkpoint(folder / "variables") as reader:
        keys = _keys(meta, reader)
        graph = _inlined(meta.graph_def, [*outputs.values()])
        graph, placed = _with_placeholders(graph, keys, folder)
        graph = _needed(graph, outputs.values())  # without what was only done in between
        placed = {node.name: placed[node.name] for node in graph.node if node.name in placed}
        _check_operations(graph, [*inputs.values()], placed, folder)
        values = _values(reader, {*placed.values()}, folder / "variables")
    return SavedGraph(graph=graph, inputs=inputs, outputs=outputs, variables=placed, values=values)


def _meta_graph(path: Path):
    if path.stat().st_size > LARGEST:
        raise SourceError(f"{path} has more than the 2 GiB that it can; it is damaged")
    try:
        found = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise SourceError(f"{path} is damaged or no SavedModel; export it again") from error
    for meta in found.meta_graphs:
        if TAG in meta.meta_info_def.tags:
            return meta
    raise SourceError(f"{path} has no graph with the tag {TAG!r}; export it for serving")


def _spec(info) -> tf.TensorSpec:
    shape, dtype = tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype)
    return tf.TensorSpec(shape, dtype, info.name.partition(":")[0])


def _inlined(graph, outputs: list[str]):
    """What of `graph` the `outputs` need, its functions in the place of their calls."""
    needed = _needed(graph, outputs)
    for holder in (*_nodes(needed), *needed.library.function):
        for name in HINTS:
            holder.attr.pop(name, None)
    config = tf.compat.v1.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.optimizers.extend(["function", "pruning"])
    rewriting.min_graph_nodes = -1
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(needed, name="")
    meta = tf.compat.v1.train.export_meta_graph(graph_def=needed, graph=imported)
    fetched = meta_graph_pb2.CollectionDef()
    fetched.node_list.value.extend(outputs)
    meta.collection_def["train_op"].CopyFrom(fetched)
    return tf_optimizer.OptimizeGraph(config, meta)


def _needed(graph, outputs: Iterable[str]):
    """The nodes of `graph` that `outputs` are computed of, and all its functions."""
    nodes = {node.name: node for node in graph.node}
    waiting, seen = [_producer(name) for name in outputs], set()
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            waiting += map(_producer, nodes[name].input)
    kept = tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library)
    kept.node.extend(node for node in graph.node if node.name in seen)
    return kept


def _with_placeholders(graph, keys: dict[str, str], folder: Path):
    """`graph` with a placeholder for each reading of a variable, and the variables' keys by those.

    `keys` are those of the handles.
    """
    plain, placed = tf.compat.v1.GraphDef(versions=graph.versions), {}
    plain.library.CopyFrom(graph.library)
    through = _through_identities(graph)
    for node in graph.node:
        # Nothing that is left changes anything, so that no order is needed.
        data = [source for source in node.input if not source.startswith("^")]
        del node.input[:]
        node.input.extend(data)
        node.attr.pop("_class", None)  # names nodes that it lies beside, which may go
        behind = [through.get(_producer(source), _producer(source)) for source in node.input]
        read = [keys[name] for name in behind if name in keys]
        if node.op == "NoOp" or node.name in keys or (node.op == "Identity" and read):
            continue
        if not read:
            plain.node.add().CopyFrom(node)
        elif node.op in ("ReadVariableOp", "ResourceGather"):
            _read(plain, node, placed, read[0])
        else:
            raise SourceError(
                f"{folder} uses the variable {read[0]!r} in {node.op}, as loops do, and only a "
                "variable that is read can become a weight; name the Keras model instead"
            )
    return plain, placed


def _through_identities(graph) -> dict[str, str]:
    """The node behind each Identity of a handle."""
    behind = {}
    for node in graph.node:
        if node.op == "Identity" and node.attr["T"].type == tf.resource.as_datatype_enum:
            source = _producer(node.input[0])
            behind[node.name] = behind.get(source, source)
    return behind


def _producer(source: str) -> str:
    return source.removeprefix("^").partition(":")[0]


def _read(plain, node, placed: dict[str, str], variable: str) -> None:
    """Add a placeholder in the place of `node`, which reads a variable or gathers of it."""
    gathers = node.op == "ResourceGather"
    made = plain.node.add(name=f"{node.name}/values" if gathers else node.name, op="Placeholder")
    made.attr["dtype"].type = node.attr["dtype"].type
    placed[made.name] = variable
    if gathers:
        axis = plain.node.add(name=f"{node.name}/axis", op="Const")
        axis.attr["dtype"].type = tf.int32.as_datatype_enum
        axis.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0, tf.int32))
        gather = plain.node.add(name=node.name, op="GatherV2")
        gather.input.extend([made.name, node.input[1], axis.name])
        gather.attr["Tparams"].type = node.attr["dtype"].type
        gather.attr["Tindices"].type = node.attr["Tindices"].type
        gather.attr["Taxis"].type = tf.int32.as_datatype_enum


def _check_operations(graph, inputs, placed, folder: Path) -> None:
    """Raise SourceError where an operation does other things than to compute."""
    known = {spec.name for spec in inputs} | set(placed)
    for node in graph.node:
        if node.op in CALLS:
            raise SourceError(
                f"{folder} calls a function that cannot be inlined ({node.name[-100:]}), as the "
                "recurrent layers of Keras 2 do; name the Keras model instead"
            )
    for node in _nodes(graph):
        definition = op_def_registry.get(node.op)
        stateful = definition is not None and definition.is_stateful and node.op not in CALLS
        lost = node.op == "Placeholder" and node.name not in known
        if definition is None or stateful or lost or node.op in READ_FILES:
            raise SourceError(
                f"{folder} holds the operation {node.op} ({node.name[:100]}), and only what "
                "computes of its inputs can be exported; name the Keras model instead"
            )


def _nodes(graph) -> Iterator:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


@contextmanager
def _checkpoint(folder: Path) -> Iterator[object | None]:
    """A reader of the variables beside a graph, None where there are none."""
    if not (folder / "variables.index").is_file():
        yield None
        return
    try:
        yield tf.train.load_checkpoint(str(folder / "variables"))
    except SourceError:
        raise
    except (tf.errors.OpError, DecodeError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise SourceError(f"{folder} cannot be read ({why}); export it again") from error


def _values(reader, keys: set[str], folder: Path) -> dict[str, np.ndarray]:
    """The values of variables, which together are no more than the checkpoint's files."""
    if not keys:
        return {}
    shapes = reader.get_variable_to_shape_map() if reader else {}
    missing = sorted(keys - shapes.keys())
    if missing:
        raise SourceError(f"{folder} lacks the variable {missing[0]!r}; export it again")
    held = sum(path.stat().st_size for path in folder.iterdir())
    if sum(int(np.prod(shapes[key])) for key in keys) > held:
        raise SourceError(f"{folder} claims more values than its files hold")
    return {key: reader.get_tensor(key) for key in sorted(keys)}


def _keys(meta, reader) -> dict[str, str]:
    """The key in the checkpoint of each handle of a variable in the graph.

    Names of variables say nothing in TensorFlow 2, where several may share one. There a function
    says which objects its last arguments are, and objects lie at paths in both files.
    """
    handles = [node for node in meta.graph_def.node if node.op == "VarHandleOp"]
    keys = {node.name: node.attr["shared_name"].s.decode() or node.name for node in handles}
    if reader is None or not reader.has_tensor(OBJECTS):
        return keys
    objects = trackable_object_graph_pb2.TrackableObjectGraph.FromString(reader.get_tensor(OBJECTS))
    found = _by_object(meta.object_graph_def.nodes, objects.nodes)
    functions = meta.object_graph_def.concrete_functions
    for node in meta.graph_def.node:
        bound = functions[_called(node)].bound_inputs if _called(node) in functions else ()
        for source, number in zip(node.input[len(node.input) - len(bound) :], bound, strict=False):
            if _producer(source) in keys and number in found:
                keys[_producer(source)] = found[number]
    return keys


def _called(node) -> str:
    return node.attr["f"].func.name if "f" in node.attr else ""


def _by_object(nodes, saved) -> dict[int, str]:
    """Keys of the checkpoint by the numbers of objects in the graph; both trees have one root."""
    found, pairs, seen = {}, [(0, 0)], set()
    while pairs:
        here, there = pairs.pop()
        if here in seen or here >= len(nodes) or there >= len(saved):
            continue
        seen.add(here)
        for attribute in saved[there].attributes:
            if attribute.name == "VARIABLE_VALUE":
                found[here] = attribute.checkpoint_key
        below = {child.local_name: child.node_id for child in saved[there].children}
        pairs += [
            (child.node_id, below[child.local_name])
            for child in nodes[here].children
            if child.local_name in below
        ]
    return found
