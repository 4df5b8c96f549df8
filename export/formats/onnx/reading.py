"""Open an ONNX file: what it declares, what it holds, and how to run it."""

import math
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from export.contract import Tensor
from export.errors import ArtifactError
from export.formats.base import Found, Opened
from export.formats.names import ONNX
from export.formats.onnx.admission import OWN, check_model, every_graph
from export.formats.onnx.pairs import (
    DQ,
    INT32,
    Q,
    activation_pairs,
    bias_steps,
    integer_weights,
    step_names,
)
from export.formats.structure import structure_of_onnx
from export.lazy import need
from export.skeleton.pour import drain, map_values, marked, read_values
from export.skeleton.wire import Schema, schema

MODEL, DATA = "model.onnx", "model.onnx.data"
FLOATS = {1: "<f4", 10: "<f2"}  # numpy's names of TensorProto's element types
INTEGERS = {3: "i1", 6: "<i4"}  # those of kernels and of biases that a scale stands beside

# What these take as floats beside their input are options: scales, regions, ones and zeros.
OPTIONS = ("OneHot", "Resize", Q, DQ)
NOWHERE = 1e9  # where a slice of unknown size ends, as tf2onnx writes it


@cache
def weights_schema() -> Schema:
    """Where a model.onnx keeps the values of initializers."""
    onnx = need("onnx", to="reading ONNX")
    return schema(onnx.ModelProto, "graph.initializer.raw_data")


def read_onnx(folder: Path) -> tuple:
    """The ModelProto of the artifact in `folder`, marks in the place of weights, and these.

    Runs nothing. Raises ArtifactError where there is no such artifact, or where it holds what a
    network does not need.
    """
    onnx, path = need("onnx", to="reading ONNX"), folder / MODEL
    if not path.is_file():
        raise ArtifactError(f"{folder} has no {MODEL}; export it again")
    drained = drain(path, weights_schema())
    try:
        model = onnx.ModelProto.FromString(drained.skeleton)
    except Exception as error:  # protobuf's DecodeError moved between releases
        raise ArtifactError(f"{path} is damaged, no ONNX model; export it again") from error
    if not model.graph.node:
        raise ArtifactError(f"{path} is damaged, it holds no graph; export it again")
    check_model(path, model, DATA)
    _put_steps_back(model.graph, drained)
    return model, drained


def _put_steps_back(graph, drained) -> None:
    """Put the content of large scales and zero points back, which belong to the graph."""
    steps = step_names(graph)
    for tensor in graph.initializer:
        k = marked(tensor.raw_data) if tensor.name in steps else None
        if k is not None:
            tensor.raw_data = drained.content(k)


def open_onnx(folder: Path) -> Opened:
    """Open the artifact in `folder`; see `Opened`."""
    model, drained = read_onnx(folder)
    return Opened(
        inputs=tuple(map(_tensor, model.graph.input)),
        outputs=tuple(map(_tensor, model.graph.output)),
        weights=lambda: _weights(model.graph, drained),
        graph=_facts(model, drained),
    )


def _tensor(value) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(
        dim.dim_param or dim.dim_value if dim.WhichOneof("value") else None
        for dim in kind.shape.dim
    )
    return Tensor(value.name, dtype_of(kind.elem_type), shape)


def dtype_of(number: int) -> str:
    """The name that an ONNX type of this number has in a contract."""
    onnx = need("onnx", to="reading ONNX")
    try:
        name = onnx.TensorProto.DataType.Name(number).lower()
    except ValueError:  # a number that is no type
        return "other"
    return {"float": "float32", "double": "float64"}.get(name, name)


def _facts(model, drained) -> dict:
    ops = Counter(node.op_type for node in model.graph.node)
    own = (entry.version for entry in model.opset_import if entry.domain in OWN)
    opset = max(own, default=0)
    return {
        "kind": ONNX,
        "ops": dict(ops),
        "opset": opset,
        "checker": _checked(model, drained),
        "structure": structure_of_onnx(model.graph),
        **({"pairs": pairs} if (pairs := activation_pairs(model.graph)) else {}),
    }


def _checked(model, drained) -> str:
    """Say what is wrong with the model by ONNX's own checker; empty where nothing is.

    It is given tensors whose values lie elsewhere as inputs of the graph, or it would read these.
    """
    onnx, bare = need("onnx", to="reading ONNX"), type(model)()
    bare.CopyFrom(model)
    del bare.graph.initializer[:]
    given = {value.name for value in model.graph.input}
    try:
        for tensor in model.graph.initializer:
            k = marked(tensor.raw_data)
            if k is None and not tensor.external_data:
                bare.graph.initializer.add().CopyFrom(tensor)
                continue
            if k is not None and (wrong := _unlike(tensor, drained.spans[k][1])):
                return wrong
            if tensor.name not in given:
                how = tensor.name, tensor.data_type, tensor.dims
                bare.graph.input.append(onnx.helper.make_tensor_value_info(*how))
        onnx.checker.check_model(bare.SerializeToString())
    except Exception as error:  # the checker raises several kinds
        return str(error).splitlines()[0]
    return ""


def _unlike(tensor, size: int) -> str:
    """Say that `size` bytes are not what a tensor of that shape takes; empty where they are.

    Only of the types that weights have: two numbers of 4 bits share a byte.
    """
    from onnx import helper

    if tensor.data_type not in FLOATS | INTEGERS:
        return ""
    wanted = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * math.prod(tensor.dims)
    return "" if size == wanted else f"{tensor.name} has {size} bytes, and its shape takes {wanted}"


def _weights(graph, drained) -> Iterator[Found]:
    """Every float tensor that `graph` holds, read as the operation that takes it reads it.

    Integers with a scale beside them are read as what they stand for. Constants count too: a
    converter that keeps a weight as one may have left another, unread, in its place.
    """
    readers = {}
    for node in _nodes(graph):
        attributes = {a.name: a.i for a in node.attribute}
        for at, name in enumerate(node.input):
            readers[name] = (node.op_type, at, attributes)
    scaled, of_pairs = integer_weights(graph), step_names(graph)
    for tensor in (*graph.initializer, *_constants(graph)):
        pair = scaled.get(tensor.name)
        if tensor.data_type not in FLOATS and not pair:
            continue
        op, at, attributes = readers.get(pair.output if pair else tensor.name, ("", 0, {}))
        if op in OPTIONS or tensor.name in of_pairs:
            continue
        values = values_of(tensor, drained, mapped=True)
        if not values.size or _is_nowhere(values):
            continue
        if pair:
            values = pair.floats(values)
        if op in ("Conv", "ConvTranspose") and at == 1:
            values = values.transpose(*range(2, values.ndim), 1, 0)
        elif op == "Gemm" and at == 1 and attributes.get("transB"):
            values = values.T
        steps = bias_steps(graph, pair, scaled) if tensor.data_type == INT32 else ()
        yield Found.of(tensor.name, values, steps)


def _is_nowhere(values: np.ndarray) -> bool:
    return abs(values.flat[0]) == NOWHERE and bool((np.abs(values) == NOWHERE).all())


def _nodes(graph) -> Iterator:
    """Every node, those in the bodies of loops and branches too."""
    return chain.from_iterable(part.node for part in every_graph(graph))


def _constants(graph) -> Iterator:
    """What nodes hold by themselves, under the names that others read it by."""
    for node in _nodes(graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                held = type(attribute.t)()
                held.CopyFrom(attribute.t)
                held.name = node.output[0]
                yield held


def values_of(tensor, drained, *, mapped: bool = False) -> np.ndarray:
    """The values of a tensor of the graph in `drained`, as float32, wherever they lie.

    They are read, or `mapped` as in `Drained.map`.
    """
    from onnx import numpy_helper

    k, dtype = marked(tensor.raw_data), (FLOATS | INTEGERS)[tensor.data_type]
    if tensor.external_data:
        values = _external(drained.path.parent, tensor, dtype, mapped=mapped)
    else:
        take = drained.map if mapped else drained.read
        values = numpy_helper.to_array(tensor) if k is None else take(k, dtype)
    return values.reshape(tuple(tensor.dims)).astype(np.float32, copy=False)


def _external(folder: Path, tensor, dtype: str, *, mapped: bool) -> np.ndarray:
    """The values of a tensor that lie beside the graph, where `check_model` has seen them."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    offset, size, data = int(place["offset"]), int(place["length"]), folder / DATA
    if not data.is_file() or data.stat().st_size < offset + size:
        raise ArtifactError(f"{data} is gone or cut short; export it again")
    return (map_values if mapped else read_values)(data, dtype, (offset, size))
