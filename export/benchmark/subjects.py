"""What is measured: an artifact in each runtime that opens it, and the Keras model behind it."""

from dataclasses import dataclass, field
from pathlib import Path

from export.benchmark.stock import converter
from export.benchmark.torch_session import TORCH, why_not
from export.errors import ArtifactError
from export.formats import find_format
from export.report.artifact import Artifact, read_artifact
from export.runtimes import Runtime, runtimes_of

KERAS = {"keras": "predict", "keras-jit": "jit"}  # runtime's name -> how the model is called


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One artifact, or one Keras model, in one runtime."""

    artifact: str  # its folder; empty for a Keras model
    model: str
    format: str
    runtime: str
    device: str
    bytes: int | None = None  # of the artifact's files
    why_not: str = ""  # why it does not run on this machine
    opening: dict = field(default_factory=dict)  # the job that opens it; see worker.py

    @property
    def name(self) -> str:
        """What progress and errors call it."""
        return f"{self.model}/{self.format} in {self.runtime}"


def subjects_of(folder: Path) -> list[Subject]:
    """The artifact in `folder` in every runtime that opens its kind; those that cannot say why.

    Raises ArtifactError where there is no artifact, or one that failed its verification.
    """
    artifact = read_artifact(folder)
    if not artifact.passed:
        raise ArtifactError(f"{folder} failed its verification; export it again before measuring")
    try:
        format = find_format(artifact.format)
    except ValueError as error:
        raise ArtifactError(f"{folder} is of a format unknown here: {error}") from error
    return [_subject(artifact, runtime) for runtime in runtimes_of(format)]


def _subject(artifact: Artifact, runtime: Runtime) -> Subject:
    return Subject(
        artifact=str(artifact.folder),
        model=artifact.model,
        format=artifact.format,
        runtime=runtime.name,
        device=runtime.device,
        bytes=artifact.bytes,
        why_not=runtime.why_not() or runtime.untimed,
        opening={
            "runtime": runtime.name,
            "format": artifact.format,
            "folder": str(artifact.folder),
            "inputs": inputs_of(artifact),
        },
    )


FREE = 64  # values along an axis that may be of any length


def inputs_of(artifact: Artifact) -> list[dict]:
    return [
        {"name": one.name, "dtype": one.dtype, "shape": [size or FREE for size in one.sizes]}
        for one in artifact.contract.inputs
    ]


def keras_subjects(artifact: Artifact, builder: str, arguments: dict) -> list[Subject]:
    """The Keras model of an artifact, as `predict` runs it and compiled as a whole.

    `builder` names a function, as in "package.module:function", that takes `arguments` and returns
    the model, or what has it as `model`.
    """
    opening = {"builder": builder, "arguments": arguments, "inputs": inputs_of(artifact)}
    return [
        Subject(
            artifact="",
            model=artifact.model,
            format="keras",
            runtime=name,
            device="cpu",
            opening={**opening, "way": way},
        )
        for name, way in KERAS.items()
    ]


def stock_subject(artifact: Artifact, builder: str, arguments: dict, to: Path) -> Subject | None:
    """What another converter makes of the artifact's model, below the folder `to`.

    It runs as the artifact does. None for formats that are not compared, and for models of several
    inputs, which converters name as they like.
    """
    format = find_format(artifact.format)
    by = converter(format)
    if not by or len(artifact.contract.inputs) > 1:
        return None
    runtime = runtimes_of(format)[0]
    return Subject(
        artifact="",
        model=artifact.model,
        format=f"{artifact.format} by {by}",
        runtime=runtime.name,
        device=runtime.device,
        opening={
            "stock": format.kind,
            "folder": str(to / artifact.model / artifact.format),
            "weight_bytes": artifact.bytes,
            "builder": builder,
            "arguments": arguments,
            "inputs": inputs_of(artifact),
        },
    )


def torch_subjects(artifact: Artifact, name: str) -> list[Subject]:
    """torchvision's model `name` in PyTorch, on each device as it is and compiled or captured."""
    known = {"torch": name, "classes": artifact.classes, "inputs": inputs_of(artifact)}
    return [
        Subject(
            artifact="",
            model=artifact.model,
            format="torchvision",
            runtime=runtime,
            device=device,
            why_not=why_not(device) if artifact.classes else "no classifier of pictures",
            opening={**known, "on": [device, way]},
        )
        for runtime, (device, way) in TORCH.items()
    ]
