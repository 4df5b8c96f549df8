"""Any model with its weights: its own, those of a file, or, where it has none, ones of a seed."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from keras_nets import sources
from keras_nets.catalog import find_net
from keras_nets.errors import SourceError
from keras_nets.prepare import SEEDED, Prepared, prepare, seed_of
from keras_nets.sources import catalog, function, keras_file
from keras_nets.sources.arguments import from_report
from keras_nets.sources.saved_config import check_weights
from keras_nets.sources.source import Loaded, ModelSource


def prepare_source(
    words: str,
    arguments: dict | None = None,
    *,
    custom_objects: Iterable[str] = (),
    allow_unsafe: bool = False,
    weights: str | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Prepared:
    """Return the model that `words` name, filled from the file `weights` if that is given.

    `size` is the height and width of a model outside the catalog that leaves them free.

    Raises SourceError and WeightsError, both ValueError, in one line.
    """
    if catalog.fits(words):
        return prepare(catalog.find(words), weights, seed=seed, **(arguments or {}))
    loaded = sources.load(
        words,
        arguments,
        custom_objects=custom_objects,
        allow_unsafe=allow_unsafe,
        seed=seed,
        size=size,
    )
    return _filled(loaded, weights, seed)


def prepare_named(
    words: str, arguments: dict | None = None, *, weights: str, **options
) -> Prepared:
    """Return the model that `words` name, with the weights that a report names.

    `weights` is `Prepared.source`: a seed, or a file; what says neither leaves a model its own, and
    so does a model's own file. `options` are those of `prepare_source`.
    """
    seeded = seed_of(weights)
    if keras_file.fits(words) or (seeded is None and not Path(weights).is_file()):
        return prepare_source(words, arguments, **options)
    if seeded is None:
        return prepare_source(words, arguments, weights=weights, **options)
    loaded = sources.load(words, arguments, **options)
    return _filled(replace(loaded, weights=""), None, seeded)


def rebuild_source(
    source: ModelSource, weights: str, *, allow_unsafe: bool = False, seed: int = 0
) -> Prepared:
    """Return what `prepare_source` returned, by what a report says of the model and its weights.

    `weights` is `Prepared.source`, or a file to take instead; `seed` is that of the export. Raises
    SourceError and WeightsError where that cannot be: see `sources.rebuild`.
    """
    seeded = seed_of(weights)
    if source.kind == catalog.NAME:
        arguments = from_report(source.arguments)
        given = None if seeded is not None else weights
        return prepare(find_net(source.source), given, seed=seeded or 0, **arguments)
    loaded = sources.rebuild(source, allow_unsafe=allow_unsafe, seed=seed)
    if seeded is not None:  # the report knows; the function may not
        return _filled(replace(loaded, weights=""), None, seeded)
    return _filled(loaded, None if weights == loaded.weights else weights, seed)


def _filled(loaded: Loaded, weights: str | None, seed: int) -> Prepared:
    model, digest, source = loaded.model, "", loaded.weights
    if weights is not None:
        digest, source = _fill(model, weights), weights
    elif not source:
        from keras_nets.weights.seeded import seed_weights

        seed_weights(model, seed)
        source = f"{SEEDED}{seed}"
    elif loaded.source.kind != function.NAME:
        digest = loaded.source.sha256
    return Prepared(
        model=model,
        flavour="",
        source=source,
        counts=None,
        model_source=loaded.source,
        file_sha256=digest,
        note=loaded.note,
    )


def _fill(model, weights: str) -> str:
    """Give `model` the weights of a file of Keras, and return the file's sha256."""
    from keras_nets.weights.identify import sha256_of

    path = Path(weights)
    if not keras_file.fits(weights):
        raise SourceError(
            f"--weights {weights} is for networks of the catalog; another model takes a file of "
            "Keras, .weights.h5, .keras or .h5"
        )
    if not path.is_file():
        raise SourceError(f"--weights {path} is not there; name a file of Keras")
    check_weights(path)
    try:
        model.load_weights(path)
    except Exception as error:  # Keras raises many kinds for what does not fit
        raise SourceError(
            f"--weights {path} does not fit {model.name} ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:300]}); name the file that this model was saved to"
        ) from error
    return sha256_of(path)
