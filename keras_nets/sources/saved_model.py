"""`--model saved_model_dir`: the serving signature of a SavedModel, its variables as weights."""

import hashlib
from pathlib import Path

from keras_nets.errors import SourceError
from keras_nets.quiet import import_quietly
from keras_nets.sources.modules import count_names_anew
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "savedmodel"
GRAPH = "saved_model.pb"


def fits(words: str) -> bool:
    return bool(words) and Path(words).is_dir()


def check(words: str) -> None:
    """Raise SourceError where the folder holds no SavedModel."""
    _folder(words)


def load(asked: Asked) -> Loaded:
    """Build a model around the signature; nothing that the SavedModel holds for loading runs."""
    if asked.arguments:
        raise SourceError(
            f"--model {asked.words} is a folder and takes no --model-arg; leave "
            f"{', '.join(asked.arguments)} out"
        )
    folder = _folder(asked.words)
    count_names_anew()
    read = import_quietly("keras_nets.sources.saved_graph").read_graph
    build = import_quietly("keras_nets.sources.saved_layer").as_model
    try:
        model = build(read(folder), _name(folder))
    except SourceError:
        raise
    except Exception as error:  # TensorFlow raises many kinds for graphs that it does not like
        why = " ".join(str(error).split())[:300]
        raise SourceError(
            f"{folder} cannot be built again ({type(error).__name__}: {why}); name the Keras model"
        ) from error
    source = ModelSource(kind=NAME, source=asked.words, sha256=digest(asked.words))
    return Loaded(model, source, weights=asked.words)


def digest(words: str) -> str:
    """The sha256 of the graph and of the variables."""
    from keras_nets.weights.identify import sha256_of

    folder = _folder(words)
    files = [folder / GRAPH, *sorted((folder / "variables").glob("*"))]
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()


def _folder(words: str) -> Path:
    """The folder that holds the graph: this one, or its newest version as servers want it."""
    folder = Path(words)
    versions = [one for one in folder.iterdir() if one.name.isdigit() and (one / GRAPH).is_file()]
    if (folder / GRAPH).is_file():
        return folder
    if versions:
        return max(versions, key=lambda one: int(one.name))
    raise SourceError(
        f"--model {words} is a folder without {GRAPH}; name a SavedModel, or a .keras or .h5 file"
    )


def _name(folder: Path) -> str:
    """The name of the folder; one that is a version is called as the one above it."""
    whole = folder.resolve()
    return (whole.parent if whole.name.isdigit() else whole).name or "saved_model"
