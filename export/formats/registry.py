"""Every format that there is, each an object that says all that is asked of it."""

from export.formats.base import Format
from export.formats.names import NAMES
from export.formats.onnx import Onnx
from export.formats.savedmodel import SavedModel
from export.formats.tftrt import TfTrt
from export.names import choose

ALL: tuple[Format, ...] = (
    SavedModel(),
    Onnx(),
    # An FP32 engine computes in TF32 on a GPU, which has 3 bits more than FP16.
    TfTrt("tftrt-fp32", "fp32", 1e-2, "TensorRT engines inside a SavedModel, FP32"),
    # FP16 engines were off by up to 0.023 on an H100 (VGG13).
    TfTrt("tftrt-fp16", "fp16", 5e-2, "TensorRT engines inside a SavedModel, FP16"),
)
FORMATS = {format.name: format for format in ALL}
if tuple(format.name for format in ALL) != NAMES:
    raise RuntimeError(
        f"the formats are {', '.join(format.name for format in ALL)}, and export/formats/names.py "
        f"lists {', '.join(NAMES)}; make them the same"
    )


def find_format(name: str) -> Format:
    """Return the format called `name`, in whatever case.

    Raises ValueError with the known names, and one that may have been meant, for any other.
    """
    return FORMATS[choose(name, FORMATS, "format")]
