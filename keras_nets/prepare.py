"""A network of the catalog with its weights, from what a person or a report asks for.

Importing this imports no Keras; building a network does.
"""

from dataclasses import dataclass

from keras_nets.catalog import Counts, Net
from keras_nets.sources.source import ModelSource

SEEDED = "seeded:"  # how the source of weights begins that are random; the seed follows


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A filled model; `counts` is None where the catalog cannot tell them for these options."""

    model: object  # a keras.Model
    flavour: str
    source: str  # SEEDED and the seed, or where the weights were read
    counts: Counts | None
    model_source: ModelSource  # how to build the model again
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
    built = {"classes": model.output_shape[-1], "image": image, "flavour": flavour}
    counts = net.expected_counts(flavour, built["classes"], image)
    return Prepared(
        model=model,
        flavour=flavour,
        source=source,
        counts=counts,
        model_source=ModelSource(kind="catalog", source=net.name, arguments=built),
        file_sha256=digest,
        note=note,
    )


def seed_of(source: str) -> int | None:
    """The seed that a `Prepared.source` names, or None if it names a file.

    Raises ValueError for a seed that is no number.
    """
    return int(source.removeprefix(SEEDED)) if source.startswith(SEEDED) else None
