"""Open a SavedModel as TensorFlow Serving does, which is not the way Python does.

A server runs `graph_def` by the names in `signature_def`, after the restore operation of
`saver_def`. Python's `tf.saved_model.load` runs functions that `object_graph_def` lists. Nothing in
the file makes the two agree, so all that is observed here is of what is served, and
export/runtimes/tensorflow.py offers the other way of loading, to be compared.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from export.contract import Tensor
from export.errors import ArtifactError
from export.files import read_bounded
from export.formats import layout
from export.formats.admission import check_graph, check_signatures, one_meta_graph, refused
from export.formats.base import Found, Opened
from export.formats.names import SAVEDMODEL
from export.formats.operations import COMPUTE, READ_VARIABLES
from export.formats.savedmodel.variables import restored, saver_functions
from export.formats.structure import structure_of_tensorflow
from export.formats.subgraph import every_node, nodes_behind, served_part
from export.lazy import need
from export.signatures import CLASSIFY, SIGNATURE

INIT = "__saved_model_init_op"
MAIN_OP = "saved_model_main_op"  # the collection that names the same operation as INIT
FILES = (layout.MODEL, *layout.VARIABLES, layout.CLASSIFY_FILE)
ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"
LARGEST = 2**31  # bytes of a protobuf
OBJECTS = ("user_object", "variable", "function", "bare_concrete_function")  # kinds
USER_OBJECTS = ("_generic_user_object", "trackable_dict_wrapper", "signature_map")


@dataclass(frozen=True)
class Served:
    """A SavedModel that was read and found to hold nothing but a network."""

    version: Path  # its folder
    meta_graph: object
    keys: dict[str, str]  # of the checkpoint, by the node that is a variable's handle

    @property
    def prefix(self) -> str:
        return str(self.version / "variables" / "variables")

    @cached_property
    def part(self):
        """The GraphDef behind the signature of the contract."""
        return served_part(self.meta_graph, [SIGNATURE])

    def name(self, handle: str) -> str:
        """Keras' name of a variable, as the writer chose the checkpoint's keys."""
        return _short(self.keys[handle])


def read_served(folder: Path) -> Served:
    """Read the SavedModel artifact in `folder`, and run nothing.

    Raises ArtifactError where there is none, or where it holds what a network does not need.
    """
    version = layout.version_folder(folder, FILES)
    path = version / layout.MODEL
    need("tensorflow", to="reading a SavedModel")
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        model = saved_model_pb2.SavedModel.FromString(read_bounded(path, LARGEST))
    except ArtifactError:
        raise
    except Exception as error:  # protobuf's DecodeError moved between releases
        raise ArtifactError(f"{path} is damaged, no SavedModel; export it again") from error
    meta_graph = one_meta_graph(path, model)
    check_signatures(path, meta_graph, (SIGNATURE, CLASSIFY, INIT))
    if SIGNATURE not in meta_graph.signature_def:
        raise ArtifactError(f"{path} has no signature {SIGNATURE!r}; export it again")
    top = COMPUTE | READ_VARIABLES | {"VarHandleOp"}
    own = {**saver_functions(path, meta_graph), "": top}
    check_graph(path, meta_graph.graph_def, own, READ_VARIABLES)
    _check_start(path, meta_graph)
    _check_objects(path, meta_graph.object_graph_def)
    return Served(version, meta_graph, restored(path, meta_graph))


def _check_start(path: Path, meta_graph) -> None:
    """Refuse anything that runs when a server starts, or that a request could start."""
    names = {node.name: node for node in meta_graph.graph_def.node}
    first = (
        {info.name for info in meta_graph.signature_def[INIT].outputs.values()}
        if (INIT in meta_graph.signature_def)
        else set()
    )
    for key, held in meta_graph.collection_def.items():
        if key != MAIN_OP or held.WhichOneof("kind") != "node_list":
            raise refused(path, f"has a collection {key!r}")
        first |= set(held.node_list.value)
    for name in first:
        node = names.get(name.partition(":")[0])
        if node is None or node.op != "NoOp" or node.input:
            raise refused(path, f"runs {name!r} when a server starts")
    saver = {meta_graph.saver_def.restore_op_name, meta_graph.saver_def.save_tensor_name[:-2]}
    tensors = [i.name for s in meta_graph.signature_def.values() for i in s.outputs.values()]
    if saver & nodes_behind(meta_graph.graph_def, tensors):
        raise refused(path, "saves or restores its variables when it is asked something")


def _check_objects(path: Path, objects) -> None:
    """Refuse objects for which Python runs something while it loads them."""
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind not in OBJECTS or (
            kind == "user_object" and node.user_object.identifier not in USER_OBJECTS
        ):
            raise refused(path, f"holds an object of kind {node.user_object.identifier or kind!r}")
        if node.saveable_objects or node.registered_name or node.registered_saver:
            raise refused(path, "holds an object that loads itself")
    for name, function in objects.concrete_functions.items():
        for bound in function.bound_inputs:
            if not 0 <= bound < len(objects.nodes) or not objects.nodes[bound].HasField("variable"):
                raise refused(path, f"binds {name!r} to what is no variable")


def open_savedmodel(folder: Path) -> Opened:
    """Open the artifact in `folder`; see `Opened`."""
    served = read_served(folder)
    signature = served.meta_graph.signature_def[SIGNATURE]
    return Opened(
        inputs=tuple(declared(signature.inputs)),
        outputs=tuple(declared(signature.outputs)),
        weights=lambda: chain(_weights(served), _constants(served.part)),
        graph=_facts(served),
    )


def declared(entries) -> Iterator[Tensor]:
    """The inputs or the outputs of a signature, by name."""
    for name, info in sorted(entries.items()):
        shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        yield Tensor(name, dtype_of(info.dtype), shape)


def dtype_of(number: int) -> str:
    """The name that a TensorFlow type of this number has in a contract."""
    import tensorflow as tf

    try:
        return tf.as_dtype(number).name
    except TypeError:  # a number that is no type
        return "other"


def _facts(served: Served) -> dict:
    ops = Counter(node.op for node, _ in every_node(served.part))
    return {"kind": SAVEDMODEL, "ops": dict(ops), "structure": structure(served.meta_graph)}


def structure(meta_graph) -> str:
    """The hash of the structure of all that is served, signatures included."""
    known = [name for name in (SIGNATURE, CLASSIFY) if name in meta_graph.signature_def]
    signatures = {name: meta_graph.signature_def[name] for name in known}
    ends = [
        (f"{name} {side} {key}", info.name)
        for name, signature in signatures.items()
        for side, entries in (("input", signature.inputs), ("output", signature.outputs))
        for key, info in entries.items()
    ]
    return structure_of_tensorflow(served_part(meta_graph, known), ends)


def _constants(graph) -> Iterator[Found]:
    """Every float constant that is no scalar: one may stand where a variable should be read."""
    import tensorflow as tf

    for node, _ in every_node(graph):
        if node.op == "Const" and node.attr["dtype"].type == 1:
            values = tf.make_ndarray(node.attr["value"].tensor)
            if values.ndim:
                yield Found.of(node.name, values)


def _weights(served: Served) -> Iterator[Found]:
    """Every float variable as it is restored, and what else the checkpoint holds."""
    import tensorflow as tf

    reader = checkpoint(served)
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    lost = sorted(set(served.keys.values()) - shapes.keys())
    if lost:
        raise ArtifactError(f"{served.prefix} lacks {_short(lost[0])!r}; export it again")
    unread = shapes.keys() - set(served.keys.values())
    for key in sorted([*served.keys.values(), *unread]):
        if types[key].name == "float32":
            values = restored_tensor(served, key, tf.float32)
            yield Found.of(_short(key), np.asarray(values))


def checkpoint(served: Served):
    """A reader of the tensors that a server restores."""
    import tensorflow as tf

    try:
        return tf.train.load_checkpoint(served.prefix)
    except Exception as error:  # the reader raises whatever the damage leads to
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(f"{served.prefix} does not load: {why}; export it again") from error


def restored_tensor(served: Served, key: str, dtype):
    """Return a tensor as a server restores it; `get_tensor` of a reader holds its values twice."""
    import tensorflow as tf

    names = {"tensor_names": [key], "shape_and_slices": [""]}
    (tensor,) = tf.raw_ops.RestoreV2(prefix=served.prefix, **names, dtypes=[dtype])
    return tensor


def _short(key: str) -> str:
    return key.removeprefix("weights/").removesuffix(ATTRIBUTE).replace(".S", "/")
