"""What a TensorFlow graph may hold, read from its protobuf before TensorFlow sees it.

A report.json can be forged together with its artifact, so hashes that agree prove nothing here:
every artifact that is opened, by whatever part of this toolkit, comes through these rules. Whoever
breaks one is refused by an ArtifactError that names the operation and its node; nothing has run.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from export.errors import ArtifactError
from export.formats.operations import COMPUTE, ENGINE, ENGINE_ATTRIBUTES
from export.formats.subgraph import called, every_node

SERVE = "serve"  # the tag under which servers look for the graph
HANDLES = {20: "resource", 21: "variant"}  # types whose constants are no numbers
DEVICE = re.compile(r"(/device:(CPU|GPU):(\d+|\*))?", re.IGNORECASE)
SHOWN = 3


def refused(path: Path, why: str) -> ArtifactError:
    """The error that says what is wrong with the file at `path`, and that it was not opened."""
    return ArtifactError(f"{path} {why}; it was not opened, export it again")


def one_meta_graph(path: Path, model):
    """The only graph of a SavedModel message, which a server cannot mistake for another."""
    if not model.meta_graphs:
        raise ArtifactError(f"{path} is damaged, it holds no graph; export it again")
    if len(model.meta_graphs) != 1:
        raise refused(path, f"holds {len(model.meta_graphs)} graphs instead of one")
    (meta_graph,) = model.meta_graphs
    tags = list(meta_graph.meta_info_def.tags)
    if tags != [SERVE]:
        raise refused(path, f"is tagged {tags} instead of [{SERVE!r}]")
    if meta_graph.asset_file_def:
        raise refused(path, f"reads the asset {meta_graph.asset_file_def[0].filename!r}")
    return meta_graph


def check_signatures(path: Path, meta_graph, known) -> None:
    """Refuse signatures that nothing here looks at, and ones that name no tensor of the graph."""
    strange = sorted(meta_graph.signature_def.keys() - set(known))
    if strange:
        raise refused(path, f"serves a signature {strange[0]!r}, which no check looks at")
    names = {node.name for node in meta_graph.graph_def.node}
    for signature in meta_graph.signature_def.values():
        for key, info in (*signature.inputs.items(), *signature.outputs.items()):
            name = info.name.partition(":")[0]
            if info.WhichOneof("encoding") != "name" or name not in names:
                raise refused(path, f"has a signature whose {key!r} names no tensor")


def check_graph(
    path: Path, graph, own: Mapping[str, frozenset] | None = None, extra=frozenset()
) -> None:
    """Refuse a GraphDef with an operation that does more than compute, wherever it hides.

    `own` gives some functions lists of operations of their own, `extra` adds to everybody's.
    """
    functions = Counter(function.signature.name for function in graph.library.function)
    doubled = [name for name, times in functions.items() if times > 1]
    if doubled:
        raise refused(path, f"has two functions called {doubled[0]!r}")
    strange = []
    for node, function in every_node(graph):
        allowed = (own or {}).get(function, COMPUTE | extra)
        if node.op not in allowed or node.op in functions:
            strange.append(_operation(node, function))
        else:
            _check_node(path, node, function, functions)
    if strange:
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        raise refused(
            path,
            f"holds {', '.join(strange[:SHOWN])}{more}, "
            "which is not on the list of operations that a network needs",
        )


def _operation(node, function: str) -> str:
    inside = f" of function {function!r}" if function else ""
    return f"the operation {node.op[:80]} (node {node.name[:200]!r}{inside})"


def _check_node(path: Path, node, function: str, functions) -> None:
    what = _operation(node, function)
    lost = [name for name in called(node) if name not in functions]
    if lost:
        raise refused(path, f"holds {what} that calls {lost[0]!r}, which is not there")
    if not DEVICE.fullmatch(node.device):
        raise refused(path, f"holds {what} that is to run on {node.device!r}")
    for key, value in node.attr.items():  # node.attr[key] would add what is not there
        if value.WhichOneof("value") == "tensor" and value.tensor.dtype in HANDLES:
            raise refused(
                path, f"holds {what} whose {key} is a {HANDLES[value.tensor.dtype]}, not numbers"
            )
    if node.op == ENGINE:
        _check_engine(path, node, what)
    elif strange := sorted(set(node.attr) - _attributes(node.op)):
        known = [name for name in strange if not name.startswith("_")]  # those are notes
        if known:
            raise refused(path, f"holds {what} with an attribute {known[0][:80]!r} unknown to it")


@cache
def _attributes(operation: str) -> set[str]:
    """Names of the attributes that TensorFlow knows for an operation."""
    from tensorflow.python.framework import op_def_registry

    return {attribute.name for attribute in op_def_registry.get(operation).attr}


def _check_engine(path: Path, node, what: str) -> None:
    """Refuse what TensorRT would run without anybody having read it: a finished engine."""
    kinds = {name: value.WhichOneof("value") for name, value in node.attr.items()}
    for name in sorted({*kinds, *ENGINE_ATTRIBUTES}):
        noted = name.startswith("_") and name not in ENGINE_ATTRIBUTES
        if not noted and kinds.get(name) != ENGINE_ATTRIBUTES.get(name):
            raise refused(path, f"holds {what} whose attribute {name[:80]!r} is not an engine's")
    for name in ("serialized_segment", "calibration_data", "segment_funcdef_name"):
        if name in node.attr and node.attr[name].s:
            raise refused(path, f"holds {what} whose {name} nothing here can read")


def check_bare(path: Path, meta_graph) -> None:
    """Refuse what a graph that holds its weights itself has no use for: loaders would run it."""
    for name in ("saver_def", "object_graph_def"):
        if meta_graph.HasField(name):
            raise refused(path, f"has a {name}, which its format has not")
    if meta_graph.collection_def:
        raise refused(path, f"has a collection {min(meta_graph.collection_def)!r}")
