"""ONNX in 16 bits: TensorRT 11 has no switch for it any more, and takes what the file says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from export.errors import ExportError
from export.formats.base import Order
from export.formats.kept import ASKED, kept_layers
from export.formats.onnx.reduced import Pass, Places, ReducedOnnx
from export.formats.onnx.weightless import bypass, drop_unread, sort
from export.results import ROUNDED, Rule
from export.skeleton.keras_graph import scope
from export.skeleton.stores import FLOAT16, FLOAT32, Store

HALF, FLOAT = 10, 1  # TensorProto's element types
# These hand numbers on as they are, so what is too large before them is so behind them.
MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Concat", "Slice")
TOO_LARGE = "its numbers, or those that it reads, are beyond 65504"
UNABLE = "its operation has no 16 bits"


@dataclass(frozen=True, kw_only=True)
class OnnxFp16(ReducedOnnx):
    name: str = "onnx-fp16"
    title: str = "one file in 16 bits, for TensorRT and ONNX Runtime on GPUs"
    precision: str = "fp16"
    rule: Rule = ROUNDED

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return FLOAT16

    def reduce(self, model, places: Places, order: Order) -> Pass:
        from onnxruntime.transformers import float16

        graph, indices, contract = model.graph, places.indices, order.skeleton.contract
        ends = [tensor.name for tensor in (*contract.inputs, *contract.outputs)]
        large = _behind(graph, _within(graph, order.beyond))
        asked = _asked(graph, order.keep)
        made = float16.convert_float_to_float16(
            model, keep_io_types=ends, node_block_list=[*large, *asked]
        )
        _keep_weights(made.graph, indices)
        _keep_between(made.graph)
        sort(made)
        types = {value.name: value.type.tensor_type.elem_type for value in made.graph.input}
        stores = {
            index: FLOAT16 if types[name] == HALF else FLOAT32 for name, index in indices.items()
        }
        return Pass(made, stores, _reasons(order, indices, stores, large))


def _within(graph, scopes: Iterable[str]) -> set[str]:
    """Names of the nodes in one of `scopes`."""
    starts = tuple(f"{scope}/" for scope in scopes)
    if not starts:
        return set()
    return {node.name for node in graph.node if any(
        name.startswith(starts) for name in (node.name, *node.output)
    )}  # fmt: skip


def _asked(graph, scopes: Iterable[str]) -> set[str]:
    """The same; ExportError where nothing is in one of them."""
    for path in scopes:
        if not _within(graph, [path]):
            raise ExportError(
                f"no operation of the graph is of {path}, so it cannot stay in FP32; keep the "
                "layers beside it"
            )
    return _within(graph, scopes)


def _behind(graph, names: set[str]) -> set[str]:
    """The nodes called `names`, and those that read what they give, over what only moves it."""
    found = set(names)
    large = {name for node in graph.node if node.name in names for name in node.output}
    for node in graph.node:  # in the order in which they run
        if large.intersection(node.input):
            found.add(node.name)
            if node.op_type in MOVES:
                large.update(node.output)
    return found


def _keep_weights(graph, indices: Mapping[str, int]) -> None:
    """Have weights that are read in 32 bits alone be of 32 bits, rather than be cast."""
    for value in graph.input:
        readers = [node for node in graph.node if value.name in node.input]
        if value.name not in indices or not all(_casts(node, FLOAT) for node in readers):
            continue
        value.type.tensor_type.elem_type = FLOAT
        for node in readers:
            bypass(graph, node)


def _keep_between(graph) -> None:
    """Take out casts to 16 bits and straight back, between two nodes that are kept in 32."""
    down = {node.output[0]: node.input[0] for node in graph.node if _casts(node, HALF)}
    for node in [n for n in graph.node if _casts(n, FLOAT) and n.input[0] in down]:
        bypass(graph, node, down[node.input[0]])
    drop_unread(graph, "Cast")


def _casts(node, to: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == to


def _reasons(order: Order, indices, stores, large: set[str]) -> dict[str, str]:
    """Why a layer stays in 32 bits, by its scope; the layers of weights that do are among them."""
    reasons = kept_layers(order, order.keep, ASKED)
    reasons |= kept_layers(order, order.beyond, TOO_LARGE)
    known = tuple(f"{scope}/" for scope in reasons) or ("\0",)
    for path in (name.rpartition("/")[0] for name in sorted(large) if not name.startswith(known)):
        if path:
            reasons.setdefault(path, TOO_LARGE)
    by_index = {index: name for name, index in indices.items()}
    for index, store in stores.items():
        layer = by_index[index].rpartition("/")[0]
        if store is FLOAT32 and layer not in reasons:
            near = any(name.startswith(f"{scope(layer)}/") for name in large)
            reasons[layer] = TOO_LARGE if near else UNABLE
    return reasons


FORMAT = OnnxFp16()
