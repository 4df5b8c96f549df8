"""ONNX in 8 bits: pairs of QuantizeLinear and DequantizeLinear say what is rounded, and how.

ONNX Runtime's quantizer puts the pairs into the model without its weights; what it puts on a weight
becomes an integer weight with a scale for each channel, which is poured.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.calibration.names import by_layer, overlaid, range_of
from export.calibration.ranges import float_tensors, measure_ranges, notes_of
from export.contract import Contract
from export.errors import ExportError
from export.formats.base import Order
from export.formats.kept import ASKED, kept_layers
from export.formats.onnx.constants import constants_opened
from export.formats.onnx.gemm import join_biases
from export.formats.onnx.pairs import (
    DQ,
    Q,
    bypass_before_activations,
    integer_bias,
    integer_kernel,
    kernel_axis,
    pairs_on,
    take_off,
)
from export.formats.onnx.reduced import Pass, Places, ReducedOnnx
from export.formats.onnx.slender import slim
from export.formats.onnx.weightless import drop_unread, drop_unread_initializers, sort
from export.results import QUANTISED, Rule
from export.skeleton.keras_graph import scope
from export.skeleton.stores import FLOAT32, Quantised, Store, scales_of

TYPES = {"<f4": 1, "i1": 3, "<i4": 6}  # TensorProto's, by numpy's
UNABLE = "ONNX Runtime's quantizer leaves what takes it in 32 bits"


@dataclass(frozen=True, kw_only=True)
class OnnxInt8(ReducedOnnx):
    name: str = "onnx-int8"
    title: str = "one file in 8 bits, for ONNX Runtime on CPUs and OpenVINO"
    precision: str = "int8"
    scales_channels: bool = True
    rule: Rule = QUANTISED
    needs: frozenset[str] = frozenset(["calibration"])
    crowded: bool = True  # ranges are taken where ONNX Runtime runs the network
    # As TensorRT wants it: zero points of 0, biases as floats, and a pair for each that reads.
    symmetric: bool = False

    def store(self, values: np.ndarray, axes: tuple[int, ...] = ()) -> Store:
        return Quantised(scale=scales_of(values, axes)) if axes else FLOAT32

    def unfit(self, contract: Contract) -> str:
        if contract.classifier:
            return super().unfit(contract)
        return "8 bits are calibrated on pictures, one image in and one row of logits out"

    def misrounded(self, folder: Path, to: Path) -> Iterator[str]:
        from export.formats.onnx.misrounded import misrounded

        return misrounded(folder, to)

    def steps(self, span: tuple[float, float], kind: str) -> tuple[float, int]:
        from export.formats.onnx.steps import steps_of

        return steps_of(span, kind, self.symmetric)

    def reduce(self, model, places: Places, order: Order) -> Pass:
        join_biases(model)
        tensors = float_tensors(model)
        ranges = overlaid(
            _ranges(model, tensors, places, order), order.calibration.learned, tensors
        )
        with constants_opened(model) as constants:
            made = _quantised(
                model, [*places.indices, *constants], ranges, order.keep, self.symmetric
            )
            model.CopyFrom(made)
        made = model
        stores = dict(_stores(made.graph, places, integer_biases=not self.symmetric))
        bypass_before_activations(made.graph)
        for kind in (DQ, Q):
            drop_unread(made.graph, kind)
        drop_unread_initializers(made.graph)
        slim(made.graph, places.indices)
        sort(made)
        for value in made.graph.input:
            if value.name in places.indices:
                store = stores.get(places.indices[value.name], FLOAT32)
                value.type.tensor_type.elem_type = TYPES[store.dtype]
        kept = _reasons(made.graph, places, stores, order)
        return Pass(made, stores, kept, by_layer(ranges, tensors))


def _ranges(model, tensors: list[str], places: Places, order: Order) -> dict:
    """The range of each tensor: those that the calibration brings, or from its images."""

    calibration, given = order.calibration, order.skeleton.contract.inputs[0].name
    if calibration.ranges:
        found = {name: range_of(calibration.ranges, name) for name in (*tensors, given)}
        if missing := [name for name, span in found.items() if span is None]:
            raise ExportError(
                f"{calibration.source} has no range for {missing[0]}; calibrate with pictures"
            )
        return found
    # As arrays, of which a session has no copy, and those of dense layers are Keras' own.
    fed = {name: np.ascontiguousarray(places.read(name)) for name in places.indices}
    own = model.SerializeToString(deterministic=True)
    notes = notes_of(own, order.skeleton.weights, calibration, order.images_sha256)
    return measure_ranges(model, fed, calibration, notes)


def _quantised(model, weights: list[str], ranges: Mapping, keep, symmetric: bool):
    """What ONNX Runtime's quantizer makes of the model; inputs `weights` are activations to it."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    spans = ranges | dict.fromkeys(weights, (-1.0, 1.0))
    known = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in spans.items()
    }
    quantizer = QDQQuantizer(
        model,
        False,
        False,
        QuantType.QInt8,
        QuantType.QInt8 if symmetric else QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, known),
        [],
        _within(model.graph, keep),
        sorted({*QDQRegistry, *QLinearOpsRegistry}),
        {
            "ActivationSymmetric": symmetric,
            "DedicatedQDQPair": symmetric,
            "QuantizeBias": False,
            # Or it trusts a range to start at 0 and takes a ReLU out.
            "QDQKeepRemovableActivations": True,
            **({"OpTypesToExcludeOutputQuantization": list(KERNELS)} if symmetric else {}),
        },
    )
    with _silenced():  # it warns that weights are none, which they are again afterwards
        made = quantizer.quantize_model()
    return getattr(made, "model", made)


@contextmanager
def _silenced():
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


KERNELS = ("Conv", "Gemm", "MatMul")


def _within(graph, scopes) -> list[str]:
    """Names of the nodes in `scopes`; ExportError where there is none in one of them."""
    found = []
    for path in scopes:
        inside = [n.name for n in graph.node if any(
            name.startswith(f"{path}/") for name in (n.name, *n.output)
        )]  # fmt: skip
        if not inside:
            raise ExportError(f"no operation of the graph is of {path}; keep the layers beside it")
        found += inside
    return found


def _stores(graph, places: Places, *, integer_biases: bool) -> Iterator[tuple[int, Store]]:
    """Turn the pairs on weights into integer weights, and yield what each is stored as."""
    scales = {}
    for name, index in places.indices.items():
        pairs = pairs_on(graph, name)
        axes = {kernel_axis(reader, at) for _, _, reader, at in pairs}
        if not pairs:
            continue
        if len(axes) > 1 or None in axes:
            take_off(graph, name, pairs)
            continue
        (axis,) = axes
        steps = scales_of(places.read(name), (axis,))
        scales[name] = steps.reshape(-1)
        integer_kernel(graph, name, pairs, scales[name], axis)
        yield index, Quantised("i1", steps)
    if not integer_biases:
        return
    for name, index in places.indices.items():
        scale = integer_bias(graph, name, scales, places.read)
        if scale is not None:
            yield index, Quantised("<i4", scale)


def _reasons(graph, places: Places, stores: Mapping[int, Store], order: Order) -> dict[str, str]:
    """Why a kernel, or what else has two axes and more, stays in 32 bits, by its layer."""
    reasons = kept_layers(order, order.keep, ASKED)
    for name, index in places.indices.items():
        layer = name.rpartition("/")[0]
        if index not in stores and scope(layer) not in reasons and _has_axes(order, index):
            reasons[layer] = UNABLE
    return reasons


def _has_axes(order: Order, index: int) -> bool:
    """Whether a weight is more than a vector, such as biases are, which 8 bits need not round."""
    return len(order.skeleton.weights[index].shape) > 1


FORMAT = OnnxInt8()
FOR_TENSORRT = OnnxInt8(
    name="onnx-int8-trt", title="one file in 8 bits, as TensorRT 10 and 11 take it", symmetric=True
)
