"""TF-TRT: a SavedModel whose network is one TensorRT engine, built on the GPU that serves it.

TensorFlow 2.17's pass runs in a lane of its own, on a skeleton whose weights are constants of one
repeated value each; the weights are poured into what it returns. The SavedModel is the graph itself
(placeholder, engine, identity) with a signature, so that each constant stands in the file once.

Implicit batch is the form that has met a GPU, so it is kept wherever it makes one engine of the
whole network. Else explicit batch is tried, which takes more operations.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.contract import Contract
from export.errors import ExportError, PourError
from export.formats import layout
from export.formats.base import Format, Opened, Order, Written
from export.formats.names import TF_SERVING_GPU, TFTRT
from export.formats.operations import beyond_computing
from export.formats.stock import pour_or_stock
from export.formats.tftrt.reading import open_tftrt, weights_schema
from export.formats.tftrt.segments import described, is_whole, work
from export.formats.tftrt.stand_ins import network_nodes, shape_of, stand_ins, value_of
from export.formats.tftrt.untaken import untaken
from export.networks.base import Network
from export.results import ROUNDED, Rule
from export.signatures import SIGNATURE
from export.signatures.description import write_description
from export.skeleton.pour import Placement, Step, mark, pour

MODEL = Path(layout.VERSION, layout.MODEL)
STOCK_FACTOR = 26  # VGG-13 (532 MB) took the official converter 14 GB
LARGEST = 2**31 - 1  # bytes of a protobuf
SCRIPT, PASS = "convert.py", "the TF-TRT pass"  # of the lane, and what messages call it
KINDS = ("T", "Ta", "Tparams", "DstT")  # attributes of operations that compute in a type
FEW_BITS = {6: "int8", 24: "float8", 25: "float8", 29: "int4", 30: "uint4"}  # TensorFlow's types


@dataclass(frozen=True, kw_only=True)
class TfTrt(Format):
    kind: str = TFTRT
    server: str = TF_SERVING_GPU
    engine_rule: Rule = ROUNDED  # the other rule is of the native segment, FP32 on a CPU
    lane: str | None = "tf217"
    begins: bool = True
    classifies: bool = True
    copies: bool = True

    def write(self, order: Order) -> Written:
        skeleton, version = order.skeleton, (order.folder / MODEL).parent
        if why := self.limit(skeleton):
            raise PourError(why)
        version.mkdir()
        if order.classify:
            write_description(version, order.classify.recipe, order.classify.labels)
        return pour_or_stock(
            lambda: self._pour(order),
            lambda: self.write_stock(order),
            weight_bytes=skeleton.weight_bytes,
            factor=STOCK_FACTOR,
        )

    def limit(self, skeleton) -> str:
        """Say what TF-TRT cannot do with a traced network; empty where there is nothing."""
        if skeleton.weight_bytes + (1 << 20) > LARGEST:
            return (
                f"{self.name} keeps its weights in one protobuf, which ends at 2 GiB, and those of "
                f"{skeleton.name} are {skeleton.weight_bytes / 2**30:.1f} GiB; choose another"
            )
        return beyond_computing(skeleton.graph) or _few_bits(skeleton) or _groups(skeleton)

    def apart(self, skeleton) -> str:
        return untaken(skeleton)

    def _pour(self, order: Order) -> str:
        from export.formats.tftrt.preparation import prepare

        skeleton, prepared = order.skeleton, prepare(order.skeleton)
        weights = skeleton.weights
        converted, note = order.conversion.once(lambda: self._without_weights(prepared, order))
        placements = _placements(converted, tuple(prepared.forms.values()), weights)
        if sum(weights[place.index].bytes for place in placements) + (1 << 20) > LARGEST:
            raise ExportError(
                f"{self.name} holds a weight in every engine that reads it, and those of "
                f"{skeleton.name} pass 2 GiB with that; choose another"
            )
        data = _saved_model(converted, order).SerializeToString(deterministic=True)
        pour(data, weights_schema(), weights, placements, order.folder / MODEL, copies=True)
        return note

    def write_stock(self, order: Order) -> str:
        """Send the graph with all its weights through the pass; takes 26 times their bytes."""
        from export.formats.tftrt.preparation import prepare

        weights = order.skeleton.weights
        graph = prepare(order.skeleton).filled(lambda _, form: form.of(weights[form.index].read()))
        converted, note = self._converted(graph, order)
        model = _saved_model(converted, order)
        (order.folder / MODEL).write_bytes(model.SerializeToString(deterministic=True))
        return note

    def begin(self, order: Order, held: ExitStack) -> None:
        from export.formats.tftrt.narrowing import narrowed
        from export.formats.tftrt.preparation import prepare
        from export.lanes import child_in_lane, need_success

        prepared = prepare(order.skeleton)
        shapes, lane = narrowed(prepared), held.enter_context(ExitStack())
        child = lane.enter_context(child_in_lane(self.lane, SCRIPT, order.scratch, about=PASS))
        child.begin(*self._job(prepared.filled(_stand_in, shapes), order), last=True)

        def finish() -> tuple:
            with lane:
                answer, made = child.answer()
            need_success(answer, PASS, order.scratch)
            return self._settled(prepared, shapes, _graph(made), order)

        order.conversion.begin(finish)

    def _without_weights(self, prepared, order: Order) -> tuple:
        """Convert a prepared network with stand-ins, narrower where that makes no difference."""
        from export.formats.tftrt.narrowing import narrowed

        shapes = narrowed(prepared)
        first = self.convert(prepared.filled(_stand_in, shapes), order)
        return self._settled(prepared, shapes, first, order)

    def _settled(self, prepared, shapes, first, order: Order) -> tuple:
        """Return what is right of a conversion with `shapes`, or convert again; as `_converted`."""
        from export.formats.tftrt.narrowing import widen

        if not shapes:
            return self._converted(prepared.filled(_stand_in), order, first)
        # An engine that begins or ends within the network would tell of another width.
        if is_whole(first) and widen(first, prepared.forms, shapes):
            return first, ""
        return self._converted(prepared.filled(_stand_in), order)

    def _converted(self, graph, order: Order, implicit=None) -> tuple:
        """Return the converted GraphDef, and why it has explicit batch, where it has.

        Of two that are not one engine each, it is the one whose engines do more of the work. The
        one with implicit batch may be there already.
        """
        implicit = implicit or self.convert(graph, order)
        if is_whole(implicit):
            return implicit, ""
        explicit = self.convert(graph, order, explicit=True)
        if not is_whole(explicit) and work(explicit).share <= work(implicit).share:
            return implicit, ""
        return explicit, f"with explicit batch, because implicit batch makes {described(implicit)}"

    def unfit(self, contract: Contract) -> str:
        for tensor in contract.inputs:
            if tensor.dtype == "string":
                return f"TensorRT takes no text, and {tensor.name} is text"
            if tensor.free:
                # One picture whose sides are both free; see --image-size.
                sides = len(contract.inputs) == 1 and tensor.sizes[:2] == (None, None)
                picture = sides and len(tensor.shape) == 4
                return (
                    f"its engine is of one size, and {tensor.name} has a free axis "
                    f"{tensor.free[0]}; give it a fixed size"
                    + (", as --image-size does" if picture else "")
                )
        return ""

    def open(self, folder: Path) -> Opened:
        return open_tftrt(folder)

    def network(self, folder: Path) -> Network:
        from export.formats.tftrt.network import open_network

        return open_network(folder)

    def convert(self, graph, order: Order, *, explicit: bool = False):
        """Send `graph` through the lane and return the converted GraphDef."""
        from export.lanes import run_in_lane

        job, given = self._job(graph, order, explicit=explicit)
        _, made = run_in_lane(self.lane, SCRIPT, job, given, order.scratch, about=PASS)
        return _graph(made)

    def _job(self, graph, order: Order, *, explicit: bool = False) -> tuple[dict, dict]:
        """What the lane's script is asked, and the arrays that it is given."""
        contract = order.skeleton.contract
        names = [tensor.name for tensor in (*contract.inputs, *contract.outputs)]
        job = {
            "outputs": [f"{name}:0" for name in names],
            "precision": self.precision.upper(),
            "minimum_segment_size": 3,
            "maximum_cached_engines": order.engines,
            "explicit_batch": explicit,
        }
        return job, {"graph": np.frombuffer(graph.SerializeToString(), np.uint8)}


def _stand_in(number: int, _form) -> float:
    return value_of(number)


def _graph(made: dict):
    """The GraphDef among the arrays that the lane's script gave."""
    from tensorflow.core.framework import graph_pb2

    return graph_pb2.GraphDef.FromString(made["converted"].tobytes())


FP32 = TfTrt(
    name="tftrt-fp32",
    title="TensorRT engines inside a SavedModel, FP32",
    precision="fp32",
    engine_rule=replace(ROUNDED, fixed=1e-2),  # a GPU computes it in TF32
)
FP16 = TfTrt(
    name="tftrt-fp16",
    title="TensorRT engines inside a SavedModel, FP16",
    precision="fp16",
    engine_rule=replace(ROUNDED, fixed=5e-2),  # VGG13's was off by up to 0.023 on an H100
)


def _few_bits(skeleton) -> str:
    """Say which layer multiplies numbers of 8 bits or less, of which TF-TRT makes no engine."""
    for node in skeleton.graph.node:
        kinds = {key: node.attr[key].type for key in KINDS if key in node.attr}
        if few := [FEW_BITS[kind] for kind in kinds.values() if kind in FEW_BITS]:
            return (
                f"{node.name.partition('/')[0]} of {skeleton.name} computes in {few[0]}, of which "
                "TF-TRT makes no engine; export the network as it was before it was quantized"
            )
    return ""


def _groups(skeleton) -> str:
    """Say that TF-TRT 2.17 takes in convolutions in groups, and then no engine builds.

    It assumes one group; see ConvertConv2DHelper in TensorFlow's convert_nodes.cc.
    """
    from export.skeleton.tracing import grouped_convolutions

    grouped = grouped_convolutions(skeleton)
    if not grouped:
        return ""
    return (
        f"TF-TRT builds no engine of convolutions in groups, and {skeleton.name} has "
        f"{len(grouped)}, first {grouped[0]}; export to onnx, which TensorRT reads"
    )


def _placements(graph, forms, weights) -> list[Placement]:
    """Find the forms of weights in a converted graph by their values, and mark their contents.

    One that several engines read stands in each of them.
    """
    placements = []
    for number, node in stand_ins(graph, len(forms)):
        tensor, shape, form = node.attr["value"].tensor, shape_of(node), forms[number]
        # A repeated value does not show a transpose, so only axes of length 1 may have moved.
        if _squeezed(shape) != _squeezed(form.shape):
            raise PourError(
                f"the converter gave {weights[form.index].name} of shape {form.shape} a place of "
                f"shape {shape}"
            )
        steps = form.steps if shape == form.shape else (Step("reshape", shape),)
        placements.append(Placement(form.index, node.name, shape, steps))
        tensor.ClearField("float_val")
        tensor.tensor_content = mark(form.index)
    return placements


def _squeezed(shape):
    return tuple(size for size in shape if size != 1)


def _saved_model(graph, order: Order):
    """Wrap a converted GraphDef in a SavedModel with the signature of the contract."""
    from tensorflow import as_dtype
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    meta_graph.meta_info_def.tensorflow_version = "2.17.1"
    for op in sorted({node.op for node in network_nodes(graph)}):
        meta_graph.meta_info_def.stripped_op_list.op.add(name=op)
    meta_graph.graph_def.CopyFrom(graph)
    signature = meta_graph.signature_def[SIGNATURE]
    signature.method_name = "tensorflow/serving/predict"
    contract = order.skeleton.contract
    for entries, tensors in (
        (signature.inputs, contract.inputs),
        (signature.outputs, contract.outputs),
    ):
        for tensor in tensors:
            entries[tensor.name].name = f"{tensor.name}:0"
            entries[tensor.name].dtype = as_dtype(tensor.dtype).as_datatype_enum
            for size in (None, *tensor.sizes):
                entries[tensor.name].tensor_shape.dim.add(size=-1 if size is None else size)
    if order.classify:
        from export.signatures.attach import attach_classify

        attach_classify(meta_graph, order.classify.recipe, order.classify.labels)
    return model
