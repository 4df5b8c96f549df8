"""`--model keras.applications:ResNet50`: a network that comes with Keras.

It is built without weights unless --model-arg weights=... says otherwise, because Keras would fetch
them, and with logits instead of probabilities where it can be told so.
"""

import difflib
import inspect

from keras_nets.errors import SourceError
from keras_nets.sources.function import call
from keras_nets.sources.modules import count_names_anew
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "function"
MODULE = "keras.applications"
DEFAULTS = {"weights": None, "classifier_activation": None}


def fits(words: str) -> bool:
    return words.startswith(f"{MODULE}:") and words.count(":") == 1


def check(words: str) -> None:
    """Keras alone can say which networks it has."""


def load(asked: Asked) -> Loaded:
    """Build the network; its weights are its own only where an argument names some."""
    count_names_anew()
    found = _find(asked.words)
    takes = inspect.signature(found).parameters
    arguments = {key: value for key, value in DEFAULTS.items() if key in takes} | asked.arguments
    weights = arguments.get("weights")
    try:
        model = call(found, asked, arguments)
    except SourceError as error:
        if weights == "imagenet":
            raise SourceError(
                f"{error}; Keras fetches the weights of imagenet: try where there is a network, or "
                "name a file with --model-arg weights=FILE"
            ) from error
        raise
    source = ModelSource(kind=NAME, source=asked.words, arguments=asked.arguments)
    return Loaded(model, source, weights=f"{asked.words} {weights}" if weights else "")


def _find(words: str):
    import keras

    name = words.partition(":")[2]
    known = {one.casefold(): one for one in dir(keras.applications) if one[0].isupper()}
    if name.casefold() in known:
        return getattr(keras.applications, known[name.casefold()])
    near = difflib.get_close_matches(name.casefold(), known, n=3)
    meant = f"did you mean {' or '.join(known[one] for one in near)}? It" if near else "it"
    raise SourceError(f"{MODULE} has no network {name!r}; {meant} has {', '.join(known.values())}")
