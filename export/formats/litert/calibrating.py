"""Ranges of the activations of a model of LiteRT's, which LiteRT itself runs in 32 bits."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.calibration.looking import Look
from export.calibration.names import overlaid, range_of
from export.calibration.ranges import notes_of, ranges_of, seen
from export.errors import ExportError
from export.formats.base import Order
from export.formats.litert.flatbuffer import packed, text, unpacked
from export.formats.litert.writing import Places, pour
from export.lazy import need

FLOAT = 0  # TensorType.FLOAT32
FILE = "file"  # what the content of the model is fed as to machines that have no such file


def activations(model) -> dict[int, str]:
    """The names of the float tensors that operations give, by number, in running order."""
    main = model.subgraphs[0]
    numbers = [int(number) for operator in main.operators for number in operator.outputs]
    found = {number: main.tensors[number] for number in numbers}
    return {number: text(one.name) for number, one in found.items() if one.type == FLOAT}


def ranges(model, places: Places, order: Order) -> dict[str, tuple[float, float]]:
    """The range of each activation and of the image: those that the calibration brings, or its own.

    Raises ExportError where it brings none for a tensor.
    """
    calibration, tensors = order.calibration, activations(model)
    (given,) = (text(one.name) for one in model.signatureDefs[0].inputs)
    if calibration.ranges:
        found = {name: range_of(calibration.ranges, name) for name in (*tensors.values(), given)}
        if missing := [name for name, span in found.items() if span is None]:
            raise ExportError(
                f"{calibration.source} has no range for {missing[0]}; calibrate with pictures"
            )
        return found
    notes = notes_of(packed(model), order.skeleton.weights, calibration, order.images_sha256)
    path = order.scratch / "calibrated.tflite"
    pour(unpacked(packed(model)), order.skeleton.weights, places, path)
    try:
        found = _measured(path, tensors, given, order, notes)
    finally:
        path.unlink()
    return overlaid(found, calibration.learned, tensors.values())


@dataclass(frozen=True, kw_only=True)
class _LiteRtLook(Look):
    """A look at the tensors `numbers` of the .tflite at `path`, or of the one that is fed.

    LiteRT has one thread, whatever is asked for.
    """

    path: Path
    numbers: tuple[int, ...]

    def session(self, fed: Mapping[str, np.ndarray], threads: int):
        litert = need("ai_edge_litert.interpreter", to="running LiteRT")
        # Delegates compute several operations at once, and what is between them nobody sees.
        plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with _file(self.path, fed) as path:
            interpreter = litert.Interpreter(
                str(path),
                num_threads=1,  # with more it sums in another order, and is no faster
                experimental_op_resolver_type=plain,
                experimental_preserve_all_tensors=True,
            )
        interpreter.allocate_tensors()
        (given,) = interpreter.get_input_details()

        def run(image: np.ndarray) -> list:
            interpreter.set_tensor(given["index"], np.ascontiguousarray(image[None], np.float32))
            interpreter.invoke()
            found = (interpreter.get_tensor(number) for number in self.numbers)
            if self.bins:
                return list(found)
            return [end for one in found for end in (one.min(), one.max())]

        return run


@contextmanager
def _file(path: Path, fed: Mapping[str, np.ndarray]) -> Iterator[Path]:
    """The file at `path`, or one with what is fed, which is gone once LiteRT has mapped it."""
    if FILE not in fed:
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        fed[FILE].tofile(file)
        file.flush()
        yield Path(file.name)


def _measured(path: Path, tensors: Mapping[int, str], given: str, order: Order, notes: Path):
    """Ranges by LiteRT itself, in this process or on the calibration's cluster."""
    names, calibration = (*tensors.values(), given), order.calibration
    fed = {FILE: np.asarray(np.memmap(path, np.uint8, "r"))} if calibration.cluster else {}

    def looked(first: int, bins: int, edges: tuple[float, ...]):
        look = _LiteRtLook(
            model=b"", names=names, bins=bins, edges=edges, path=path, numbers=tuple(tensors)
        )
        return seen(calibration, look, fed, first)

    return ranges_of(names, looked, calibration, notes)
