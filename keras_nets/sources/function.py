"""`--model package.module:function`: what a function of the user's returns."""

import difflib
import inspect
import re
from pathlib import Path

from keras_nets.errors import SourceError
from keras_nets.sources.modules import count_names_anew, import_module, registered, running
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "function"
WORDS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def fits(words: str) -> bool:
    return WORDS.fullmatch(words) is not None


def check(words: str) -> None:
    """Whether the module is there shows when it is imported."""


def load(asked: Asked) -> Loaded:
    """Call the function and take the model as it returns it, weights included.

    What it draws by Keras' generators depends on the seed alone, so that calling it again on
    another day gives the same weights.
    """
    count_names_anew()
    registered(asked.custom_objects)
    name, _, path = asked.words.partition(":")
    module = import_module(name, f"--model {asked.words}")
    found = _find(module, path, asked.words)
    model = call(found, asked, asked.arguments)
    source = ModelSource(
        kind=NAME,
        source=asked.words,
        arguments=asked.arguments,
        custom_objects=asked.custom_objects,
        sha256=_digest(module),
    )
    return Loaded(model, source, weights=asked.words)


def call(found, asked: Asked, arguments: dict):
    """Return the keras.Model that calling `found` gives; SourceError where it does not."""
    import keras

    if isinstance(found, keras.Model):
        if arguments:
            raise SourceError(
                f"--model {asked.words} is a model already, so it takes no --model-arg; leave "
                f"{', '.join(arguments)} out, or name a function"
            )
        return found
    if not callable(found):
        raise SourceError(
            f"--model {asked.words} is a {type(found).__name__}; name a function that returns a "
            "keras.Model"
        )
    _check_arguments(found, asked, arguments)
    with running(f"calling {asked.words}"):
        keras.utils.set_random_seed(asked.seed)
        model = found(**arguments)
    if not isinstance(model, keras.Model):
        raise SourceError(
            f"--model {asked.words} returned a {type(model).__name__}; have it return a keras.Model"
        )
    return model


def _find(module, path: str, words: str):
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            meant = f"; did you mean {near[0]}?" if near else ";"
            place = getattr(module, "__file__", None) or "it is built in"
            raise SourceError(
                f"--model {words}: {module.__name__} has no {part!r}{meant} look into {place}"
            )
        found = getattr(found, part)
    return found


def _check_arguments(found, asked: Asked, arguments: dict) -> None:
    """Raise SourceError where the function does not take what --model-arg gives it."""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # of what is written in C
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        takes = ", ".join(f"{one}" for one in signature.parameters.values())
        raise SourceError(
            f"--model {asked.words} {error}; it takes ({takes:.300}), each given with --model-arg "
            "KEY=VALUE"
        ) from error


def _digest(module) -> str:
    """The sha256 of a module's file, empty where it has none."""
    from keras_nets.weights.identify import sha256_of

    path = Path(getattr(module, "__file__", None) or "")
    return sha256_of(path) if path.is_file() else ""
