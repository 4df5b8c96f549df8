"""The range of every activation over the images of a calibration.

What was found is kept in a file after every few images, under the hash of model, images and method,
so that an interrupted calibration goes on where it was, and the next one of the same takes no time.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from export.calibration.images import Calibration
from export.calibration.looking import EVERY, Look
from export.files import write_whole

# ONNX Runtime's own entropy begins with 128 bins, and more come as the range grows; with as many as
# there are levels in 8 bits there would be one range to choose from.
BINS = {"entropy": 512, "percentile": 2048}
PERCENTILE = 99.999
FLOAT = 1  # TensorProto.FLOAT


@dataclass(kw_only=True)
class Progress:
    """How far a calibration has come: ranges of `done` images, histograms of `counted`."""

    done: int = 0
    counted: int = 0
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, list[int]] = field(default_factory=dict)


# From how many images were looked at before, how many bins histograms have, and their edges: yields
# up to which image it has looked, and what it saw since it last said so, as a Look sees it.
Looked = Callable[[int, int, tuple[float, ...]], Iterator[tuple[int, np.ndarray]]]


def measure_ranges(
    model, fed: Mapping[str, np.ndarray], calibration: Calibration, notes: Path
) -> dict[str, tuple[float, float]]:
    """The range of every float tensor that a node of `model` gives, and of the image.

    `model` is an ONNX model whose weights are inputs, which are `fed`; see `ranges_of`.
    """
    names = (*float_tensors(model), _given(model, fed))

    def looked(first: int, bins: int, edges: tuple[float, ...]):
        giving = _with_outputs(model, names[:-1]) if bins else _with_extremes(model, names[:-1])
        look = Look(model=giving.SerializeToString(), names=names, bins=bins, edges=edges)
        return seen(calibration, look, fed, first)

    return ranges_of(names, looked, calibration, notes)


def ranges_of(
    names: Sequence[str], looked: Looked, calibration: Calibration, notes: Path
) -> dict[str, tuple[float, float]]:
    """The range of each activation, by its name; `notes` is the file in which progress is kept.

    Raises ExportError, naming the tensor, where a number is not finite.
    """
    images, state = calibration.images, _read(notes)
    if state.done < len(images):
        for done, found in looked(state.done, 0, ()):
            state.done = done
            for name, (low, high) in zip(names, found.tolist(), strict=True):
                state.low[name] = min(low, state.low.get(name, low))
                state.high[name] = max(high, state.high.get(name, high))
            _note(notes, state, state.done == len(images) or state.done % EVERY == 0)
    if calibration.method == "minmax":
        return {name: (state.low[name], state.high[name]) for name in state.low}
    return _cut(names, looked, calibration, state, notes)


def _cut(names, looked: Looked, calibration: Calibration, state: Progress, notes: Path):
    """Ranges that leave out what is rare, from histograms over a range that all images fit in."""
    images, bins = calibration.images, BINS[calibration.method]
    edges = {name: max(abs(state.low[name]), abs(state.high[name]), 1e-9) for name in names}
    if state.counted < len(images):
        for counted, found in looked(state.counted, bins, tuple(edges.values())):
            state.counted = counted
            for name, counts in zip(names, found, strict=True):
                state.histograms[name] = (counts + state.histograms.get(name, [0] * bins)).tolist()
            _note(notes, state, state.counted == len(images) or state.counted % EVERY == 0)
    return _thresholds(calibration.method, state, edges)


def seen(
    calibration: Calibration, look: Look, fed: Mapping[str, np.ndarray], first: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield up to which image it has looked from `first` on, and what it saw since the last.

    Looks in this process, or on the calibration's cluster, to which `fed` is sent.
    """
    if calibration.cluster:
        from export.calibration.on_ray import looked

        yield from looked(calibration, look, fed, first)
        return
    see = look.open(fed)
    for number, image in enumerate(calibration.images[first:], first):
        yield number + 1, see(number, image)


def _thresholds(method: str, state: Progress, edges) -> dict[str, tuple[float, float]]:
    """What ONNX Runtime's own collector makes of the histograms."""
    import contextlib
    import io

    from onnxruntime.quantization.calibrate import HistogramCollector

    bins = BINS[method]
    collector = HistogramCollector(method, False, bins, 128, PERCENTILE, "same")
    for name, counts in state.histograms.items():
        sides = np.linspace(-edges[name], edges[name], bins + 1, dtype=np.float32)
        ends = [np.array(side[name], np.float32) for side in (state.low, state.high)]
        collector.histogram_dict[name] = (np.array(counts), sides, *ends, edges[name])
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how many tensors there are
        found = collector.compute_collection_result()
    return {name: (float(low), float(high)) for name, (low, high, *_) in found.items()}


def float_tensors(model) -> list[str]:
    """Every float tensor that a node gives, in running order."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    given = [name for node in model.graph.node for name in node.output]
    return [name for name in given if kinds.get(name) == FLOAT]


def _with_extremes(model, names: Sequence[str]):
    """The model giving the lowest and the highest number of each tensor, and nothing else."""
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    for name in names:
        for op in ("ReduceMin", "ReduceMax"):
            made.graph.node.add(
                op_type=op, input=[name], output=[f"{name}/{op}"], name=f"{name}/{op}"
            ).attribute.append(onnx.helper.make_attribute("keepdims", 0))
            made.graph.output.append(onnx.helper.make_tensor_value_info(f"{name}/{op}", FLOAT, []))
    return made


def _with_outputs(model, names: Sequence[str]):
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    made.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in names
    )
    return made


def _given(model, fed: Mapping[str, object]) -> str:
    """The name of the model's only input that is no weight."""
    (name,) = (value.name for value in model.graph.input if value.name not in fed)
    return name


def notes_of(model: bytes, weights, calibration: Calibration, images_sha256: str) -> Path:
    """Where progress of this calibration is kept: a file for model, weights, images and method."""
    from platformdirs import user_cache_path

    from export.skeleton.pour import digest

    sha = hashlib.sha256(model)
    for weight in weights:
        sha.update(digest(weight.read()).encode())
    method = f"{calibration.method} {len(calibration.images)}"
    sha.update(f"{images_sha256} {method}".encode())
    folder = user_cache_path("keras-nets") / "calibration"
    return folder / f"{sha.hexdigest()}.json"


def _read(notes: Path) -> Progress:
    """What was found before; nothing where the file is absent or is none of ours."""
    try:
        return Progress(**json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Progress()


def _note(notes: Path, state: Progress, due: bool) -> None:
    if due:
        notes.parent.mkdir(parents=True, exist_ok=True)
        write_whole(notes, json.dumps(vars(state)))
