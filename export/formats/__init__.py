"""Every format, one file each; adding one is a file and a line."""

from export.formats.base import Format
from export.formats.onnx import Onnx
from export.formats.savedmodel import SavedModel
from export.formats.tftrt import TfTrt
from export.names import choose

ALL: tuple[Format, ...] = (
    SavedModel(),
    Onnx(),
    TfTrt("tftrt-fp32", "fp32", 1e-4, 1e-2, "TensorRT engines inside a SavedModel, FP32"),
    # FP16 engines were off by up to 0.023 on an H100 (VGG13); TF32 keeps 3 bits more than FP16.
    TfTrt("tftrt-fp16", "fp16", 1e-4, 5e-2, "TensorRT engines inside a SavedModel, FP16"),
)
FORMATS = {format.name: format for format in ALL}


def find_format(name: str) -> Format:
    """Return the format called `name`, in whatever case.

    Raises ValueError with the known names, and one that may have been meant, for any other.
    """
    return FORMATS[choose(name, FORMATS, "format")]
