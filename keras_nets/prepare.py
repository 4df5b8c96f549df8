"""A network of the catalog with its weights, from what a person or a report asks for.

Importing this imports no Keras; building a network does.
"""

from dataclasses import dataclass
from pathlib import Path

from keras_nets.catalog import Counts, Net, find_net
from keras_nets.errors import WeightsError

SEEDED = "seeded:"  # how the source of weights begins that are random; the seed follows


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A filled model; `counts` is None where the catalog cannot tell them for these options."""

    model: object  # a keras.Model
    flavour: str
    source: str  # SEEDED and the seed, or where the weights were read
    counts: Counts | None
    file_sha256: str = ""  # of the file that the weights were read from
    note: str = ""  # what of that file was left aside


def prepare(
    net: Net,
    weights: str | None = None,
    *,
    seed: int = 0,
    classes: int | None = None,
    image: tuple[int, int, int] | None = None,
    flavour: str | None = None,
    progress=None,
) -> Prepared:
    """Build `net` and fill it, from the file that `weights` names or else from `seed`.

    A weights file picks the flavour, and the classes where they are not given. Raises ValueError,
    of which WeightsError is one, with a line that says what does not fit.
    """
    if classes is not None and classes < 2:
        raise ValueError(f"a classifier has at least 2 classes. Received: {classes}")
    image, digest, note = image or net.image, "", ""
    if weights is None:
        from keras_nets.weights.load import build_unfilled
        from keras_nets.weights.seeded import seed_weights

        flavour = flavour or net.flavours[0]
        options = dict(classes=classes or 1000, image=image, flavour=flavour)
        model = seed_weights(build_unfilled(net, **options), seed)
        source = f"{SEEDED}{seed}"
    else:
        from keras_nets.weights import identify_weights, load_weights, resolve_weights

        path = resolve_weights(net, weights, progress)
        identity = identify_weights(net, path, digest=True)
        flavour, digest, note = identity.flavour, identity.sha256, identity.note
        model = load_weights(net, path, classes=classes, image=image)
        source = str(path) if weights.startswith("imagenet") else weights
    counts = net.expected_counts(flavour, model.output_shape[-1], image)
    return Prepared(
        model=model,
        flavour=flavour,
        source=source,
        counts=counts,
        file_sha256=digest,
        note=note,
    )


def seed_of(source: str) -> int | None:
    """The seed that a `Prepared.source` names, or None if it names a file.

    Raises ValueError for a seed that is no number.
    """
    return int(source.removeprefix(SEEDED)) if source.startswith(SEEDED) else None


def rebuild(
    name: str,
    source: str,
    *,
    classes: int | None = None,
    image: tuple[int, int, int] | None = None,
    flavour: str | None = None,
) -> Prepared:
    """Build again what `prepare` built: network `name`, with the weights that `source` names.

    Raises ValueError if the catalog has no such network, or the file does not fit it.
    """
    seed = seed_of(source)
    return prepare(
        find_net(name),
        source if seed is None else None,
        seed=seed or 0,
        classes=classes,
        image=image,
        flavour=flavour or None,
    )


def rebuild_model(name: str, source: str, **options):
    """The model of `rebuild` alone, for a process of its own to build."""
    return rebuild(name, source, **options).model


def load_saved(path):
    """Return the whole model in the `.keras` file at `path`, as Keras saved it.

    Keras builds it, so the file should be the user's own; code kept in it is refused. Raises
    WeightsError where Keras cannot load it, as where it needs classes of the user's.
    """
    import keras

    path = Path(path)
    if path.suffix != ".keras":  # of other kinds Keras would run what they hold
        raise WeightsError(f"{path} is no .keras file; save the model with model.save('x.keras')")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as cause:  # Keras raises many kinds for what it does not know or like
        why = f"{type(cause).__name__}: {cause}".splitlines()[0]
        raise WeightsError(
            f"{path} cannot be loaded by Keras alone ({why:.200}); build the model in Python, and "
            "call export.verify(model, folder)"
        ) from cause
