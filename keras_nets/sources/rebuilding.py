"""How to build the model of a report again, by what the report says and what a user adds to it."""

from collections.abc import Callable, Mapping
from functools import partial

from keras_nets.errors import SourceError
from keras_nets.prepare import Prepared, seed_of
from keras_nets.sources import read_arguments
from keras_nets.sources.again import source_of
from keras_nets.sources.filling import prepare_named, prepare_source, rebuild_source
from keras_nets.sources.request import Request
from keras_nets.sources.source import ModelSource


def builder(
    request: Request, *, model: str, options: Mapping, source: Mapping, weights: str
) -> Callable[[], Prepared]:
    """Return a function that builds and fills the model of a report; it pickles.

    The report's are `model`, `options`, its `model_source` and the source of its `weights`. Empty
    words of `request` leave its model as the report says, and no weights leave the report's. Raises
    ValueError, of which SourceError is one, if neither says how.
    """
    weights = str(request.weights or weights)
    seed_of(weights)  # which raises for a seed that is no number
    how = {"allow_unsafe": request.allow_unsafe, "seed": int(options.get("seed", 0))}
    if request.words and request.net is None:
        call = prepare_source if request.weights else prepare_named
        how |= {"weights": weights, "custom_objects": request.custom_objects}
        how["size"] = _size(source)
        return partial(call, request.words, read_arguments(request.arguments), **how)
    name = request.net.name if request.words else model
    known = {} if request.words else source
    return partial(rebuild_source, source_of(name, options, known), weights, **how)


def _size(source: Mapping) -> tuple[int, int] | None:
    """The height and width that a report's model was given, if it was and the report is sound."""
    try:
        return ModelSource.of(source).size
    except SourceError:
        return None


def rebuild_reported(**reported) -> Prepared:
    """Build the model of a report by the keywords of `builder` alone, which are plain values."""
    return builder(Request(words=""), **reported)()


def build_model(build: Callable[[], Prepared]):
    """The model alone of what `build` builds, for a process of its own."""
    return build().model
