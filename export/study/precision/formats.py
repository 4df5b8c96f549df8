"""The formats that are measured, and the one that sizes and accuracy are held against."""

from export.formats import ALL, find_format
from export.formats.names import LITERT, ONNX, OPENVINO

MEASURED = tuple(one.name for one in ALL if one.kind in (ONNX, OPENVINO, LITERT))
BASE = next(one.name for one in ALL if (one.kind, one.precision) == (ONNX, "fp32"))
# What sizes are held against: the first of these that was made.
UNROUNDED = (BASE, *(name for name in MEASURED if not find_format(name).rounds and name != BASE))


def needs_pictures(name: str) -> bool:
    """Whether a format is calibrated on pictures."""
    return "calibration" in find_format(name).needs
