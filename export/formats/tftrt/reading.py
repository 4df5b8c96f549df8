"""Open a TF-TRT SavedModel: what it declares, what it holds, and its network without an engine.

Its graph is itself what is served: it has no variables and no objects, so there is one way to load
it, and a file that offers another is refused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from export.errors import ArtifactError
from export.formats import layout
from export.formats.admission import check_bare, check_graph, check_signatures, one_meta_graph
from export.formats.base import Found, Opened
from export.formats.names import TFTRT
from export.formats.operations import ENGINE
from export.formats.savedmodel.reading import declared, structure
from export.formats.subgraph import (
    every_node,
    functions_behind,
    nodes_behind,
    served_part,
)
from export.formats.tftrt.segments import casts, is_whole, outside, work
from export.lazy import need
from export.results import EXPLICIT, IMPLICIT
from export.signatures import CLASSIFY, SIGNATURE
from export.skeleton.pour import Drained, drain, marked
from export.skeleton.wire import Schema, schema

FILES = (layout.MODEL, layout.CLASSIFY_FILE)


@cache
def weights_schema() -> Schema:
    """Where a saved_model.pb keeps the values of constants."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    graph, content = "meta_graphs.graph_def", "attr.value.tensor.tensor_content"
    nodes = (f"{graph}.node", f"{graph}.library.function.node_def")
    return schema(SavedModel, *(f"{node}.{content}" for node in nodes))


def read_tftrt(folder: Path) -> tuple[object, Drained]:
    """The MetaGraphDef of the artifact in `folder`, marks in the place of weights, and these.

    Runs nothing. Raises ArtifactError where there is no such artifact, or where it holds what a
    network does not need.
    """
    path = layout.version_folder(folder, FILES) / layout.MODEL
    need("tensorflow", to="reading a SavedModel")
    from tensorflow.core.protobuf import saved_model_pb2

    drained = drain(path, weights_schema())
    try:
        model = saved_model_pb2.SavedModel.FromString(drained.skeleton)
    except Exception as error:  # protobuf's DecodeError moved between releases
        raise ArtifactError(f"{path} is damaged, no SavedModel; export it again") from error
    meta_graph = one_meta_graph(path, model)
    check_signatures(path, meta_graph, (SIGNATURE, CLASSIFY))
    if SIGNATURE not in meta_graph.signature_def:
        raise ArtifactError(f"{path} has no signature {SIGNATURE!r}; export it again")
    check_bare(path, meta_graph)
    check_graph(path, meta_graph.graph_def, extra=frozenset([ENGINE]))
    return meta_graph, drained


def open_tftrt(folder: Path) -> Opened:
    """Open the artifact in `folder`; see `Opened`."""
    meta_graph, drained = read_tftrt(folder)
    signature = meta_graph.signature_def[SIGNATURE]

    return Opened(
        inputs=tuple(declared(signature.inputs)),
        outputs=tuple(declared(signature.outputs)),
        weights=lambda: _weights(meta_graph, drained),
        graph=_facts(meta_graph),
    )


def _facts(meta_graph) -> dict:
    network = served_part(meta_graph, [SIGNATURE])
    left = outside(network)
    engines = [node for node in network.node if node.op == ENGINE]
    explicit = [not node.attr["_use_implicit_batch"].b for node in engines]
    inside = functions_behind(network, {node.name for node in engines})
    ops = Counter(node.op for node, function in every_node(network) if function in inside)
    return {
        "kind": TFTRT,
        "engines": len(engines),
        "precision": sorted({node.attr["precision_mode"].s.decode() for node in engines}),
        "cached_engines": min((e.attr["max_cached_engines_count"].i for e in engines), default=0),
        "static": any(node.attr["static_engine"].b for node in engines),
        "takes": [_shapes(node.attr["input_shapes"].list.shape) for node in engines],
        "gives": [_shapes(node.attr["output_shapes"].list.shape) for node in engines],
        "batch": EXPLICIT if any(explicit) else IMPLICIT,
        "profile": sorted({node.attr["profile_strategy"].s.decode() for node in engines}),
        "outside": dict(Counter(node.op for node in left)),
        "casts": sum(node.op == "Cast" for node in casts(network)),
        "outside_nodes": [node.name for node in left],
        "macs": {} if is_whole(network) else asdict(work(network)),
        "ops": dict(ops),
        "structure": structure(meta_graph),
    }


def _shapes(shapes) -> list[list[int]]:
    """Shapes as lists of sizes, -1 for any; an empty one for a shape of unknown rank."""
    return [[dim.size for dim in shape.dim] for shape in shapes]


def _network(meta_graph) -> Iterator:
    """Every node but those that only decode pictures and name classes."""
    graph = meta_graph.graph_def
    network = served_part(meta_graph, [SIGNATURE])
    needed = {node.name for node in network.node}
    aside, functions = set(), set()
    if CLASSIFY in meta_graph.signature_def:
        outputs = [info.name for info in meta_graph.signature_def[CLASSIFY].outputs.values()]
        aside = nodes_behind(graph, outputs) - needed
        functions = functions_behind(graph, aside) - functions_behind(graph, needed)
    for node, function in every_node(graph):
        if function not in functions if function else node.name not in aside:
            yield node


def _weights(meta_graph, drained: Drained) -> Iterator[Found]:
    """Every float constant of the graph that is no scalar."""
    for node in _network(meta_graph):
        if node.op != "Const" or node.attr["dtype"].type != 1:
            continue
        tensor = node.attr["value"].tensor
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
        if shape:
            k = marked(tensor.tensor_content)
            values = drained.read(k) if k is not None else _small(tensor, shape)
            yield Found.of(node.name, values.reshape(shape))


def _small(tensor, shape) -> np.ndarray:
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, "<f4")
    return np.resize(np.asarray(tensor.float_val or [0.0], "<f4"), shape)
