"""How large a network's files are, as they are and as packers make them."""

import shutil
import subprocess
import zlib
from pathlib import Path

from export.formats import ALL
from export.formats.names import ONNX
from export.options import Options
from export.pipeline import export_model

AT_ONCE = 1 << 20  # bytes
LEVEL = 6  # of gzip, which its command takes by itself


def packed_sizes(model, out: Path, calibration) -> dict[str, dict[str, int]]:
    """Return the bytes of `model` in ONNX of 32 and of 8 bits, and packed by each packer.

    Formats are written to `out`, also where they fail a check: random weights do, in 8 bits.
    """
    formats = [onnx_of(precision) for precision in ("fp32", "int8")]
    options = Options(calibration=calibration)
    reports = export_model(model, formats, out, options=options)
    return {
        precision: packed(Path(report.folder, "model.onnx"))
        for precision, report in zip(("fp32", "int8"), reports, strict=True)
    }


def onnx_of(precision: str) -> str:
    """Return the first format of ONNX that computes in `precision`."""
    return next(one.name for one in ALL if (one.kind, one.precision) == (ONNX, precision))


def packed(path: Path) -> dict[str, int]:
    """Return the bytes of a file, and packed by gzip and, if that is installed, zstd."""
    found = {"bytes": path.stat().st_size, "gzip": _gzip(path)}
    if zstd := shutil.which("zstd"):
        found["zstd"] = _length([zstd, "-q", "-c", path])
    return found


def _gzip(path: Path) -> int:
    """Return the bytes that gzip makes of a file, a piece at a time."""
    packer, length = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16), 0
    with path.open("rb") as file:
        while piece := file.read(AT_ONCE):
            length += len(packer.compress(piece))
    return length + len(packer.flush())


def _length(command: list) -> int:
    """Return how many bytes a command prints."""
    length = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        while piece := running.stdout.read(AT_ONCE):
            length += len(piece)
    if running.returncode:
        raise OSError(f"{command[0]} exits with {running.returncode}")
    return length
