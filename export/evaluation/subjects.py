"""What is evaluated: artifacts, and the Keras model behind each group of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from export.errors import ArtifactError
from export.evaluation.loaders import Build, load_artifact, load_keras
from export.evaluation.predictor import Load
from export.evaluation.readers import Read
from export.formats import find_format
from export.report.artifact import Artifact, identity, need_classifier, read_artifact
from export.report.file import NAME

KERAS = "keras"  # in the place of a format, for the Keras model itself


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network to be evaluated: one column of the table."""

    name: str  # such as vgg13/onnx
    group: str  # agreement is counted within a group, which shares one Keras model
    identity: str  # changes with the weights, the files and the way of reading pictures
    load: Load
    read: Read
    published: tuple[float, float] | None = None  # top-1 and top-5, fractions of 1
    model: str = ""
    format: str = ""  # "keras" for the model itself
    flavour: str = ""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a caller knows of an artifact's network beside its report."""

    read: Read
    reading: str  # in words, how `read` makes images of pictures
    build: Build | None = None  # None leaves the Keras model out
    source: str = ""  # what `build` reads: seeded:0, or a file
    published: tuple[float, float] | None = None  # top-1 and top-5, fractions of 1


def read_evaluated(folder: Path) -> Artifact:
    """Read the report in `folder`.

    Raises ArtifactError where there is none, it does not say what is needed, or a file of the
    artifact is gone.
    """
    artifact = read_artifact(folder)
    try:
        find_format(artifact.format)
        if artifact.flavour is None:
            raise ValueError("lacks 'flavour'")
    except ValueError as cause:
        raise ArtifactError(f"{str(folder / NAME)!r} is of no use here: {cause}") from cause
    identity(artifact)
    need_classifier(artifact, "evaluation on pictures")
    return artifact


def by_model(artifacts: Sequence[Artifact]) -> list[list[Artifact]]:
    """The artifacts of each Keras model, in the order of their first.

    Raises ValueError where they cannot share the labels of pictures.
    """
    if len({one.classes for one in artifacts}) > 1:
        raise ValueError(
            "artifacts of different class counts have no labels in common. "
            f"Received: {', '.join(f'{one.folder} with {one.classes}' for one in artifacts)}"
        )
    groups: dict[tuple, list[Artifact]] = {}
    for one in artifacts:
        groups.setdefault(one.origin, []).append(one)
    return list(groups.values())


def subjects_of(
    groups: Sequence[Sequence[Artifact]], know: Callable[[Artifact], Known]
) -> list[Subject]:
    """A subject for each Keras model that `know` can build, and then those of its artifacts."""
    names = Counter(_name(one) for group in groups for one in group)
    models = Counter(group[0].model for group in groups)
    subjects = []
    for group in groups:
        known = [know(one) for one in group]
        if known[0].build:
            name = f"{group[0].model}/{KERAS}"
            if models[group[0].model] > 1:
                name += f" of {group[0].folder}"
            subjects.append(_keras(name, group[0], known[0]))
        for one, its in zip(group, known, strict=True):
            name = str(one.folder) if names[_name(one)] > 1 else _name(one)
            subjects.append(_artifact(name, one, its))
    return subjects


def _name(artifact: Artifact) -> str:
    return f"{artifact.model}/{artifact.format}"


def _artifact(name: str, artifact: Artifact, known: Known) -> Subject:
    return Subject(
        name=name,
        group=repr(artifact.origin),
        identity=f"{artifact.format} {identity(artifact)} {known.reading}",
        load=partial(load_artifact, artifact),
        read=known.read,
        published=known.published,
        model=artifact.model,
        format=artifact.format,
        flavour=artifact.flavour or "",
    )


def _keras(name: str, artifact: Artifact, known: Known) -> Subject:
    return Subject(
        name=name,
        group=repr(artifact.origin),
        identity=f"keras {artifact.origin} {known.source} {known.reading}",
        load=partial(load_keras, artifact, known.build, known.source),
        read=known.read,
        published=known.published,
        model=artifact.model,
        format=KERAS,
        flavour=artifact.flavour or "",
    )
