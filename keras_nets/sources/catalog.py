"""`--model vgg13`: a network of the catalog."""

from keras_nets.catalog import NETS, Net, find_net
from keras_nets.errors import SourceError
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "catalog"


def fits(words: str) -> bool:
    return words.casefold() in NETS


def check(words: str) -> None:
    find(words)


def find(words: str) -> Net:
    """The network called `words`, in whatever case."""
    return find_net(words.casefold())


def network(model: str, source: dict) -> str | None:
    """The catalog's name of the network of a report's `model` and `model_source`; None of another.

    A report without a source is of the network that it is called by, if that is one.
    """
    name = source.get("source") if source.get("kind") == NAME else None if source else model
    return name if name in NETS else None


def load(asked: Asked) -> Loaded:
    """Build the network, with no weights yet."""
    net = find(asked.words)
    try:
        model = net.build(**asked.arguments)
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{net.name} cannot be built with "
            f"{', '.join(asked.arguments) or 'its defaults'}: {error}"
        ) from error
    return Loaded(model, ModelSource(kind=NAME, source=net.name, arguments=asked.arguments))
