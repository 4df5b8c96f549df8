"""What the tools of others make of a Keras model in fewer bits, as their documentation says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.formats import find_format
from export.formats.names import LITERT, ONNX, OPENVINO, SAVEDMODEL
from export.lazy import need
from export.study.converters import CONVERTERS, KERAS, TF2ONNX

Images = Iterable[np.ndarray]  # of (height, width, channels) float32, to calibrate with


@dataclass(frozen=True)
class Stock:
    """Tools of others, and a function (model, an empty folder, images) to what they wrote."""

    name: str
    convert: Callable[[object, Path, Images], Path]


def _onnx(model, out: Path, images: Images) -> Path:
    CONVERTERS[ONNX, TF2ONNX](model, out)
    return out / "model.onnx"


def _onnx_fp16(model, out: Path, images: Images) -> Path:
    import onnx
    from onnxruntime.transformers import float16

    whole = onnx.load(_onnx(model, out, images))
    made = float16.convert_float_to_float16(whole, keep_io_types=True)
    onnx.save(made, out / "fp16.onnx")
    return out / "fp16.onnx"


def _onnx_int8(model, out: Path, images: Images) -> Path:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    whole, prepared, made = _onnx(model, out, images), out / "prepared.onnx", out / "int8.onnx"
    quant_pre_process(whole, prepared, skip_symbolic_shape=True)  # for which sympy would be needed
    quantize_static(
        prepared,
        made,
        _reader(prepared, images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return made


def _reader(path: Path, images: Images):
    """What quantize_static asks for one batch after another."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader

    name = onnx.load(path, load_external_data=False).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self):
            self._batches = ({name: image[None]} for image in images)

        def get_next(self):
            return next(self._batches, None)

    return Reader()


def _litert(model, out: Path, images: Images) -> Path:
    return _converted(_converter(model), out)


def _litert_fp16(model, out: Path, images: Images) -> Path:
    tf, converter = need("tensorflow", to="LiteRT's converter"), _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _converted(converter, out)


def _litert_int8(model, out: Path, images: Images) -> Path:
    tf, converter = need("tensorflow", to="LiteRT's converter"), _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    return _converted(converter, out)


def _converter(model):
    return need("tensorflow", to="LiteRT's converter").lite.TFLiteConverter.from_keras_model(model)


def _converted(converter, out: Path) -> Path:
    path = out / "model.tflite"
    path.write_bytes(converter.convert())
    return path


def _openvino(model, out: Path, images: Images) -> Path:
    import openvino

    CONVERTERS[SAVEDMODEL, KERAS](model, out)
    openvino.save_model(openvino.convert_model(out / "1"), out / "model.xml")
    return out / "model.bin"


FLOAT16 = f"{TF2ONNX}, onnxruntime's float16"
STATIC = f"{TF2ONNX}, quantize_static"
TFLITE = "TFLiteConverter"
# By the kind of a format, and its precision.
STOCK = {
    (ONNX, "fp32"): Stock(TF2ONNX, _onnx),
    (ONNX, "fp16"): Stock(FLOAT16, _onnx_fp16),
    (ONNX, "int8"): Stock(STATIC, _onnx_int8),
    (LITERT, "fp32"): Stock(TFLITE, _litert),
    (LITERT, "fp16"): Stock(TFLITE, _litert_fp16),
    (LITERT, "int8"): Stock(TFLITE, _litert_int8),
    (OPENVINO, "fp16"): Stock(f"{KERAS}, openvino.convert_model", _openvino),
}


def stock_of(name: str) -> Stock | None:
    """The tools of others that make what comes nearest to a format; None where there are none."""
    format = find_format(name)
    if getattr(format, "symmetric", False):  # what quantize_static makes by itself is not
        return None
    return STOCK.get((format.kind, format.precision))
