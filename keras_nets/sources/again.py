"""Builds a model again from what a report says of it.

A report is a file that anybody can write and send, so what it names runs only where it cannot hurt:
a network of the catalog or of Keras, a file, or a function of the user's own folders.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from keras_nets.catalog import NETS
from keras_nets.errors import SourceError
from keras_nets.sources import applications, function, keras_file, saved_model
from keras_nets.sources.arguments import from_report
from keras_nets.sources.modules import is_own
from keras_nets.sources.source import Asked, Loaded, ModelSource

FILES = (keras_file.NAME, saved_model.NAME)  # kinds of which a source is a path


def asked_again(source: ModelSource, *, allow_unsafe: bool, seed: int) -> Asked:
    """What to load for a report's source; SourceError where that may not, or cannot, be."""
    modules = list(source.custom_objects)
    if source.kind == function.NAME and not applications.fits(source.source):
        modules.append(source.source.partition(":")[0])
    for module in modules:
        if not is_own(module):
            raise SourceError(
                f"the report names code of the module {module!r}, which is neither in this folder "
                f"nor on PYTHONPATH; if you trust it, say --model {source.source}"
                + "".join(f" --custom-objects {one}" for one in source.custom_objects)
                + ", or put its folder on PYTHONPATH"
            )
    _check_file(source)
    return Asked(
        words=source.source,
        arguments=from_report(source.arguments),
        custom_objects=source.custom_objects,
        allow_unsafe=allow_unsafe,
        seed=seed,
        size=source.size,
    )


def source_of(model: str, options: Mapping, content: Mapping) -> ModelSource:
    """The source that a report says, by its `model`, `options` and `model_source`.

    Reports of networks of the catalog had no `model_source` once. Raises SourceError where the
    report does not say how to build its model.
    """
    if content:
        return ModelSource.of(content)
    if model not in NETS:
        raise SourceError(
            f"it is of {model!r}, which the catalog does not have, and its report does not say how "
            "to build it; name its model with --model, or in Python call export.verify(model, "
            "folder)"
        )
    try:
        built = {
            "classes": int(options["classes"]),
            "image": [int(side) for side in options["image"]],
            "flavour": options["flavour"] or None,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"its report does not say how to build {model}: {error!r}; export it again"
        ) from error
    return ModelSource(kind="catalog", source=model, arguments=built)


def with_changes(loaded: Loaded, source: ModelSource) -> Loaded:
    """`loaded` with a note where the code that built it is not what it was at the export."""
    if loaded.source.sha256 == source.sha256:
        return loaded
    note = f"the module of {source.source} has changed since the export"
    return replace(loaded, note=f"{note}; {loaded.note}" if loaded.note else note)


def need_file(source: ModelSource) -> None:
    """Raise SourceError where a model's file is not there, as seen from another folder."""
    is_path = source.kind in FILES and not function.fits(source.source)
    if is_path and not Path(source.source).exists():
        raise SourceError(
            f"{source.source}, which the artifact was made of, is not there; "
            "say with --model where it lies"
        )


def _check_file(source: ModelSource) -> None:
    """Raise SourceError where the file of a model has changed."""
    path = Path(source.source)
    if source.kind not in FILES:
        return
    kind = keras_file if source.kind == keras_file.NAME else saved_model
    found = kind.digest(source.source)
    if found != source.sha256:
        raise SourceError(
            f"{path} has changed since the export: its sha256 is {found[:12]}... and was "
            f"{source.sha256[:12]}...; export it anew, or name the file it was with --model"
        )
