"""Keras models from the words of a command line, each with how to build it again.

Every kind of source is a module and a line in KINDS. It declares NAME, which report.json has as the
kind; `fits(words)`; `check(words)`, which raises SourceError for what is seen to be wrong before
Keras loads; and `load(asked)`. Importing this package imports neither Keras nor numpy.
"""

from collections.abc import Iterable
from pathlib import Path

from keras_nets.catalog import NETS, find_net
from keras_nets.errors import SourceError
from keras_nets.sources import applications, catalog, function, keras_file, saved_model
from keras_nets.sources.again import asked_again, need_file, with_changes
from keras_nets.sources.arguments import read_arguments
from keras_nets.sources.fixed_size import in_size
from keras_nets.sources.source import Asked, Loaded, ModelSource

__all__ = [
    "KINDS",
    "Asked",
    "Loaded",
    "ModelSource",
    "check",
    "chosen",
    "find_kind",
    "load",
    "read_arguments",
    "rebuild",
]

# The first that fits takes the words: a folder called vgg11 is not meant by `--model vgg11`.
KINDS = (catalog, applications, saved_model, keras_file, function)
ALL = "all"
ALSO = (
    "a .keras or .h5 file, package.module:function, keras.applications:Name, or a SavedModel folder"
)


def find_kind(words: str):
    """Return the module of KINDS that `words` are for; SourceError where none takes them."""
    for kind in KINDS:
        if kind.fits(words):
            return kind
    if words and Path(words).is_file():
        module = f", as {Path(words).stem}:function for one" if words.endswith(".py") else ""
        raise SourceError(f"{words} is no file that gives a model; name {ALSO}{module}")
    try:
        find_net(words)
    except ValueError as error:
        raise SourceError(f"{error}; or name {ALSO}") from None
    raise SourceError(f"{words!r} names no model; name one of {', '.join(NETS)}, or {ALSO}")


def check(words: str) -> None:
    """Raise SourceError for what is seen to be wrong with `words` before Keras loads."""
    find_kind(words).check(words)


def chosen(wanted: Iterable[str]) -> list[str]:
    """The models asked for, those of the catalog by their names, and `all` as all of these.

    Raises SourceError for words that no model can be built of.
    """
    wanted = list(wanted)
    if ALL in map(str.casefold, wanted):
        wanted = [*NETS, *(words for words in wanted if words.casefold() != ALL)]
    for words in wanted:
        check(words)
    names = [catalog.find(words).name if catalog.fits(words) else words for words in wanted]
    return list(dict.fromkeys(names))


def load(
    words: str,
    arguments: dict | None = None,
    *,
    custom_objects: Iterable[str] = (),
    allow_unsafe: bool = False,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Loaded:
    """Return the model that `words` name, built with `arguments`.

    `custom_objects` are modules to import first. Code that a file holds runs only with
    `allow_unsafe`. `size` is the height and width of a model that leaves them free. Raises
    SourceError, in one line, for whatever does not give a model.
    """
    check(words)
    asked = Asked(
        words=words,
        arguments=dict(arguments or {}),
        custom_objects=tuple(custom_objects),
        allow_unsafe=allow_unsafe,
        seed=seed,
        size=size,
    )
    return in_size(find_kind(words).load(asked), size)


def rebuild(source: ModelSource, *, allow_unsafe: bool = False, seed: int = 0) -> Loaded:
    """Return the model that a report was made of.

    Raises SourceError where that cannot be, where its file has changed since, and where the report
    asks for code of others to run: reports are files that anybody can write.
    """
    need_file(source)
    kind = find_kind(source.source)
    if source.kind != kind.NAME:
        raise SourceError(
            f"the report says that {source.source!r} is of the kind {source.kind!r}, and it is of "
            f"{kind.NAME!r}; name the model with --model"
        )
    kind.check(source.source)
    asked = asked_again(source, allow_unsafe=allow_unsafe, seed=seed)
    return with_changes(in_size(kind.load(asked), asked.size), source)
