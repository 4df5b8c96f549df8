"""`--model vgg13`: a network of the catalog."""

from keras_nets.catalog import NETS, find_net
from keras_nets.errors import SourceError
from keras_nets.sources.source import Asked, Loaded, ModelSource

NAME = "catalog"


def fits(words: str) -> bool:
    return words.casefold() in NETS


def check(words: str) -> None:
    find_net(words)


def load(asked: Asked) -> Loaded:
    """Build the network, with no weights yet."""
    net = find_net(asked.words)
    try:
        model = net.build(**asked.arguments)
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{net.name} cannot be built with "
            f"{', '.join(asked.arguments) or 'its defaults'}: {error}"
        ) from error
    return Loaded(model, ModelSource(kind=NAME, source=net.name, arguments=asked.arguments))
