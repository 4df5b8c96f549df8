"""What an ONNX model may hold, read from its protobuf before a runtime sees it.

The operators of ONNX itself compute and nothing else. Those of other domains are whatever a runtime
has for them, down to engines that it loads from a path (EPContext); and the values of a tensor may
lie in another file, anywhere. As with TensorFlow, hashes that agree change nothing here.
"""

from collections.abc import Iterator
from pathlib import Path

from export.errors import ArtifactError
from export.formats.admission import refused

OWN = ("", "ai.onnx")  # names of the domain of ONNX's own operators
KEPT_BESIDE = (1, 3, 6, 10)  # TensorProto's element types of weights: FLOAT, INT8, INT32, FLOAT16


def check_model(path: Path, model, data: str) -> None:
    """Refuse operators of other domains, and values that lie elsewhere than in the file `data`.

    `path` is that of the model, beside which `data` lies.
    """
    if model.functions:
        raise refused(path, f"defines its own operator {model.functions[0].name!r}")
    if model.training_info:
        raise refused(path, "holds a second graph, for training")
    for graph in every_graph(model.graph):
        if not all(isinstance(name, str) for name in _texts(graph)):
            raise ArtifactError(f"{path} is damaged, a name in it is no text; export it again")
        for node in graph.node:
            if node.domain not in OWN:
                raise refused(
                    path,
                    f"holds the operation {node.domain}.{node.op_type} (node {node.name!r}), "
                    "which is none of ONNX's own",
                )
        for tensor in _tensors(graph):
            if tensor.external_data:
                _check_place(path, tensor, data)


def every_graph(graph) -> Iterator:
    """The graph, and those in the bodies of its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for below in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
                yield from every_graph(below)


def _texts(graph) -> Iterator:
    """The names that facts go by; protobuf gives bytes for those that are no UTF-8."""
    for node in graph.node:
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
    yield from (held.name for held in (*graph.initializer, *graph.input, *graph.output))


def _tensors(graph) -> Iterator:
    """Every tensor whose values a graph holds, sparse ones and constants of nodes too."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (*attribute.tensors, attribute.t)
            for sparse in (*attribute.sparse_tensors, attribute.sparse_tensor):
                yield from (sparse.values, sparse.indices)


def _check_place(path: Path, tensor, data: str) -> None:
    """Refuse values that are not in a regular file called `data` beside the model."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    if place.get("location") != data or tensor.data_type not in KEPT_BESIDE:
        raise refused(
            path,
            f"keeps {tensor.name!r} in {place.get('location')!r} instead of {data}",
        )
    file = path.with_name(data)
    start, size = place.get("offset", ""), place.get("length", "")
    strange = file.is_symlink() or (file.exists() and not file.is_file())
    if strange or not (start.isdecimal() and size.isdecimal()):
        raise refused(path, f"does not say where in a file of its own {tensor.name!r} is")
