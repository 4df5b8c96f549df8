"""Every format that there is, each an object that says all that is asked of it."""

from dataclasses import replace
from pathlib import Path

from export.errors import ArtifactError, in_a_line
from export.formats.base import Format
from export.formats.names import NAMES
from export.formats.onnx import Onnx
from export.formats.savedmodel import SavedModel
from export.formats.tftrt import TfTrt
from export.names import choose
from export.networks.base import Network
from export.results import ROUNDED

ALL: tuple[Format, ...] = (
    SavedModel(),
    Onnx(),
    TfTrt(
        name="tftrt-fp32",
        title="TensorRT engines inside a SavedModel, FP32",
        precision="fp32",
        engine_rule=replace(ROUNDED, fixed=1e-2),  # TF32 has FP16's 11 bits
    ),
    TfTrt(
        name="tftrt-fp16",
        title="TensorRT engines inside a SavedModel, FP16",
        precision="fp16",
        engine_rule=replace(ROUNDED, fixed=5e-2),  # VGG13's was off by up to 0.023 on an H100
    ),
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


def open_network(name: str, folder: Path) -> Network:
    """Open the artifact in `folder`, of the format called `name`, as a network.

    Raises ArtifactError in one line where it cannot be one, whatever the reason.
    """
    try:
        return find_format(name).network(folder)
    except ArtifactError as error:
        raise ArtifactError(f"{folder} does not open: {error}") from error
    except Exception as error:  # whatever the damage, or another maker's graph, leads to
        why = in_a_line(error)
        raise ArtifactError(f"{folder} does not open as a graph to change: {why}") from error
